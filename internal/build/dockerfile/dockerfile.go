// Package dockerfile converts a Dockerfile to a graph: the language (BuildKit's parser), the
// scopes of its variables, its stages, and what each instruction does. It does no I/O: the
// caller provides the images' configurations.
//
//	dockerfile.go   Parse: a Dockerfile → stages of instructions
//	builder.go      Graph: the main sequence, global variables
//	scope.go        which value a variable has at each place
//	stage.go        stages, on demand: those that the target does not need are not converted
//	reference.go    --from: a stage, a context or an image
//	expand.go       copies of instructions with expanded variables
//	instruction.go  one instruction → one node
//	copy.go         COPY and ADD
//	execute.go      RUN, its mounts, its here-documents
//	budget.go       limits on the size of the result
//	text.go         instructions as text for the progress and the history
//	errors.go       errors that quote the Dockerfile
//	mistakes.go     suggestions for likely mistakes
//	outline.go      the parameters of a target, and the targets
//	remote.go       for SOURCE_DATE_EPOCH: a global ARG, the source that a stage fetches
//	syntax.go       "# syntax=", which has no effect
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/graph"
)

// Options come from the command line and from the caller.
type Options struct {
	Name      string // of the file, for messages
	BuildArgs map[string]string
	Unset     []string // global ARGs without a value, whatever their defaults
	Target    string   // a stage's name or number; "": the last
	Build     oci.Platform
	Platform  oci.Platform // of the result
	Labels    map[string]string
	Hosts     []string // --add-host NAME=ADDRESS
	Limits    graph.Limits
	Network   string // for RUN without --network; "": "default"

	// Contexts are the names of the --build-context options that are directories; Images maps
	// the names of the others to their images.
	Contexts []string
	Images   map[string]string

	// Allowed reports whether an entitlement was given with --allow.
	Allowed func(entitlement string) bool

	// Device returns the CDI devices that RUN --device refers to; nil: devices are not looked
	// up.
	Device func(name string, required bool) ([]string, error)

	// Resolve reads an image's configuration. It is called only for images that are needed.
	Resolve func(name string, p oci.Platform) (*graph.Image, error)

	outline bool // record parameters, and treat an image unknown to Resolve as empty
}

// ErrUnknownImage is what Resolve returns in a check for an unknown image.
var ErrUnknownImage = errors.New("unknown image")

// A File is a parsed Dockerfile.
type File struct {
	Text     []byte
	Warnings []parser.Warning

	stages []instructions.Stage
	global []instructions.ArgCommand
	escape rune
}

// Parse reads a Dockerfile. Errors quote it.
func Parse(name string, text []byte) (*File, error) {
	result, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		if !hasInstructions(text) {
			err = fmt.Errorf("%s is empty\nhint: a Dockerfile begins with FROM", name)
		}
		return nil, quoteLines(err, name, text)
	}
	if err := CheckCount(result.AST); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	stages, global, err := instructions.Parse(
		result.AST, linter.New(&linter.Config{Warn: func(string, string, string, string, []parser.Range) {}}),
	)
	if err != nil {
		return nil, explainOrder(quoteLines(err, name, text), result.AST)
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf(
			"%s: dockerfile contains no stages to build\nhint: begin with FROM IMAGE or FROM scratch", name,
		)
	}
	return &File{Text: text, Warnings: result.Warnings, stages: stages, global: global, escape: result.EscapeToken}, nil
}

// hasInstructions reports whether a text has a line that is neither blank nor a comment.
func hasInstructions(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true
		}
	}
	return false
}

// CheckTarget returns an error unless a stage with this name or number exists.
func (f *File) CheckTarget(target string) error {
	_, err := f.stageIndex(target)
	return err
}

// UnknownStages returns the names that no stage has.
func (f *File) UnknownStages(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := lastStage(f.stages, name)
		for i := range f.stages {
			ok = ok || f.stages[i].Name == "" && name == "stage-"+strconv.Itoa(i)
		}
		return ok
	})
}

// stageIndex looks up a stage by its name or number.
func (f *File) stageIndex(name string) (int, error) {
	if name == "" {
		return len(f.stages) - 1, nil
	}
	if i, ok := lastStage(f.stages, name); ok {
		return i, nil
	}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(f.stages) {
		return i, nil
	}
	var names []string
	for i, s := range f.stages {
		if s.Name != "" {
			names = append(names, s.Name)
		} else {
			names = append(names, strconv.Itoa(i))
		}
	}
	return 0, fmt.Errorf(
		"target stage %q could not be found%s\nhint: the stages are %s", name, f.suggestStage(name, len(f.stages)),
		strings.Join(names, ", "),
	)
}

// UnknownArgs returns the build arguments that no ARG of the Dockerfile declares.
func (f *File) UnknownArgs(args map[string]string) []string {
	known := map[string]bool{"SOURCE_DATE_EPOCH": true}
	for name := range platformArguments(oci.Platform{}, oci.Platform{}, "") {
		known[name] = true
	}
	note := func(c *instructions.ArgCommand) {
		for _, a := range c.Args {
			known[a.Key] = true
		}
	}
	for i := range f.global {
		note(&f.global[i])
	}
	for _, s := range f.stages {
		for _, c := range s.Commands {
			if a, ok := c.(*instructions.ArgCommand); ok {
				note(a)
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if !known[name] && !IsProxy(name) && !strings.HasPrefix(name, "BUILDKIT_") {
			out = append(out, name)
		}
	}
	return out
}
