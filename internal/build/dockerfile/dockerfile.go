// Package dockerfile converts a Dockerfile to a graph: the language (BuildKit's parser), the
// scopes of its variables, its stages, and what each instruction does. It does no I/O: the
// caller provides the images' configurations.
//
//	dockerfile.go   Parse, Graph: the main sequence
//	scope.go        which value a variable has at each place
//	stage.go        stages, on demand: those that the target does not need are not converted
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
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
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

	unknownImages bool // treat an image unknown to Resolve as empty
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
		if errors.Is(err, io.EOF) || strings.Contains(err.Error(), "no instructions") {
			err = fmt.Errorf("%s is empty: it must begin with FROM", name)
		}
		return nil, quote(err, name, text)
	}
	if err := Count(result.AST); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	stages, global, err := instructions.Parse(result.AST, linter.New(&linter.Config{Warn: func(string, string, string, string, []parser.Range) {}}))
	if err != nil {
		return nil, quote(err, name, text)
	}
	if len(stages) == 0 {
		return nil, fmt.Errorf("%s: dockerfile contains no stages to build: an image begins with FROM of another one, or FROM scratch", name)
	}
	return &File{Text: text, Warnings: result.Warnings, stages: stages, global: global, escape: result.EscapeToken}, nil
}

// Graph creates the graph for one platform.
func (f *File) Graph(o Options) (*graph.Graph, error) {
	b, target, err := f.builder(o)
	if err != nil {
		return nil, err
	}
	if b.g.Target, err = b.stage(target); err == nil {
		err = b.checkReferences()
	}
	if err != nil {
		return nil, quote(err, o.Name, f.Text)
	}
	for i := range f.stages {
		if b.g.Stages[i] == nil {
			b.g.Stages[i] = b.unneeded(i)
		}
	}
	if err := b.labels(); err != nil {
		return nil, err
	}
	return b.g, nil
}

// Check returns the first error of the conversion: of all stages in order, or of those that
// the target needs. Stages based on unknown images are not converted.
func (f *File) Check(o Options, all bool) error {
	b, target, err := f.builder(o)
	if err != nil {
		return err
	}
	first := target
	if all {
		first = 0
	}
	for i := first; i <= target; i++ {
		if _, err := b.stage(i); err != nil && !errors.Is(err, ErrUnknownImage) {
			return quote(err, o.Name, f.Text)
		}
	}
	return nil
}

// builder starts a graph, with the global variables set.
func (f *File) builder(o Options) (b *builder, target int, err error) {
	if f, err = Parse(o.Name, f.Text); err != nil { // instructions are expanded in place
		return nil, 0, err
	}
	b = &builder{File: f, o: o, g: &graph.Graph{Platform: o.Platform}, lex: shell.NewLex(f.escape), images: map[string]*graph.Node{}}
	if target, err = f.find(o.Target); err != nil {
		return nil, 0, err
	}
	if err := b.globals(target); err != nil {
		return nil, 0, quote(err, o.Name, f.Text)
	}
	for i := range f.stages { // even of stages that the target does not need
		if _, _, err := b.fromWords(&f.stages[i]); err != nil {
			return nil, 0, quote(parser.WithLocation(err, f.stages[i].Location), o.Name, f.Text)
		}
	}
	b.g.Stages = make([]*graph.Stage, len(f.stages))
	b.state = make([]int, len(f.stages))
	b.failed = make([]error, len(f.stages))
	b.scopes = make([]*scope, len(f.stages))
	b.depths = make([]int, len(f.stages))
	return b, target, nil
}

// Has returns an error unless a stage with this name or number exists.
func (f *File) Has(target string) error {
	_, err := f.find(target)
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

// find looks up a stage by its name or number.
func (f *File) find(name string) (int, error) {
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
	return 0, fmt.Errorf("--target %s: target stage %q could not be found%s: the stages are %s", name, name, f.meant(name, len(f.stages)), strings.Join(names, ", "))
}

// A builder creates one graph.
type builder struct {
	*File
	o   Options
	g   *graph.Graph
	lex *shell.Lex

	args     scope             // the global ones
	platform map[string]string // the predefined ones

	state  []int    // of stages: 0 not started, 1 in progress, 2 done
	failed []error  // why stages could not be converted
	scopes []*scope // of converted stages, for the stages based on them
	depths []int    // their numbers of layers
	spent  int      // see budget.go
	images map[string]*graph.Node
	nodes  int

	noted map[int]*parameters // by stage, for an Outline; nil: nothing is recorded
}

// globals evaluates the ARGs before the first FROM.
func (b *builder) globals(target int) error {
	name := b.stages[target].Name
	if name == "" {
		name = "default"
	}
	b.platform = platformArguments(b.o.Build, b.o.Platform, name)
	for n, v := range b.platform {
		b.args.set(n, &v)
		if given, ok := b.o.BuildArgs[n]; ok {
			b.args.set(n, &given)
		}
	}
	for _, command := range b.global {
		if _, err := b.declare(&b.args, nil, &command); err != nil {
			return parser.WithLocation(err, command.Location())
		}
	}
	for i := range b.args.args {
		if v := &b.args.args[i]; slices.Contains(b.o.Unset, v.name) {
			v.value = nil
		}
	}
	return nil
}

// declare executes an ARG: its value is that from the command line, or the default, or in a
// stage the global value. It returns the instruction with its values.
func (b *builder) declare(s, global *scope, command *instructions.ArgCommand) (parts []string, err error) {
	for _, a := range command.Args {
		value, err := b.value(s, global, a)
		if err != nil {
			return nil, err
		}
		s.set(a.Key, value)
		part := a.Key
		if value != nil {
			part += "=" + *value
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// value returns the value of one variable of an ARG, nil for none. A default that --build-arg
// overrides is not expanded: ${X:?…} fails there only if X is needed.
func (b *builder) value(s, global *scope, a instructions.KeyValuePairOptional) (*string, error) {
	if given, ok := b.o.BuildArgs[a.Key]; ok {
		return &given, nil
	}
	if a.Value != nil {
		v, err := b.expander(s).word(*a.Value)
		return &v, err
	}
	if global != nil {
		if v, ok := global.arg(a.Key); ok {
			return &v, nil
		}
	}
	return nil, nil
}

func (b *builder) expander(s *scope) expander { return expander{b, b.lex, s} }

// labels adds the labels from the command line.
func (b *builder) labels() error {
	if len(b.o.Labels) == 0 {
		return nil
	}
	c := clone(b.g.Target.Last().Config)
	if c.Config.Labels == nil {
		c.Config.Labels = map[string]string{}
	}
	for name, value := range b.o.Labels {
		c.Config.Labels[name] = value
	}
	b.g.Target.Last().Config = c
	return nil
}

// Unknown returns the build arguments that no ARG of the Dockerfile declares.
func (f *File) Unknown(args map[string]string) []string {
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
