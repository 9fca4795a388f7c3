// Package lint checks Dockerfiles without building: BuildKit's rules by BuildKit's
// names, and a few of minirun's own.
//
//	lint.go     Check: the options, the walk over the stages
//	text.go     rules that look at lines as they are written
//	from.go     rules of FROM, and what its variables are
//	command.go  rules of the other instructions, in the order in which they act
//	vars.go     variables: what is defined where
//	files.go    rules of COPY and ADD
//	own.go      minirun's own rules
//	mistakes.go more of them: what builds, and is not what was meant
//	hints.go    what to write instead, of BuildKit's rules
//	print.go    results as text and JSON
//
// The rules run in the order of BuildKit's phases, and an error ends them as it ends
// those: the parser (StageNameCasing, FromAsCasing, MaintainerDeprecated and
// InvalidDefinitionDescription are its own), names and letter case, global ARGs, all
// FROM lines, then the instructions of one stage after the other.
package lint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/patternmatcher"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/dockerfile"
)

// Options are what is known besides the Dockerfile.
type Options struct {
	Name      string // of the file, for messages; "": Dockerfile
	BuildArgs map[string]string
	Target    string // "": the last stage
	All       bool   // the instructions of all stages are checked, not only of those that the target needs
	Platform  string // of the target, as --platform has it; "": this host's

	// Ignored is the context's (tree.Tree.Ignored); nil: nothing is ignored.
	// IgnorePatterns are the lines of .dockerignore that it comes from.
	Ignored        func(name string, isDir bool) (ignored, prune bool)
	IgnorePatterns []string

	// Exists says whether the context has a path; nil: it is not known.
	Exists func(name string) bool

	// Base returns the configuration of a base image, nil for one that is not known. A
	// variable that nobody has defined may then be the image's, and is a finding only if
	// its name looks like another one, misspelt.
	Base func(image string, p oci.Platform) *docker.DockerOCIImage

	// Failed is the error of converting this Dockerfile to a graph. What follows the place
	// of the error is not checked.
	Failed error
}

// Argument is the build argument whose value counts in the place of "# check=":
// skip=RULE,…;error=BOOL;experimental=RULE,…
const Argument = "BUILDKIT_DOCKERFILE_CHECK"

// A Warning is one finding.
type Warning struct {
	Rule        string
	Description string // of the rule
	URL         string // of the rule's documentation
	Detail      string // what was found
	Hint        string // what to write instead; "": the detail says it
	Ranges      []Lines
	Own         bool // it is minirun's own rule, BuildKit has none of this name
}

// Lines are consecutive lines of a Dockerfile, from 1 on.
type Lines struct{ First, Last int }

// Line is the first line that a warning is about; 0 if it is about none.
func (w *Warning) Line() int {
	line := 0
	for _, r := range w.Ranges {
		if line == 0 || r.First < line {
			line = r.First
		}
	}
	return line
}

// last is the last line that a warning is about.
func (w *Warning) last() int {
	line := 0
	for _, r := range w.Ranges {
		line = max(line, r.Last)
	}
	return line
}

// A Result is what Check finds.
type Result struct {
	Warnings []Warning // by line

	// Err is what a build would fail with: the Dockerfile cannot be read, or it has
	// findings and says "# check=error=true".
	Err error

	name string
	text []byte
}

// Source returns the name and text of the Dockerfile that was checked.
func (r *Result) Source() (name string, text []byte) { return r.name, r.text }

// Check looks at a Dockerfile. Its error is one of the options; what is wrong with
// the Dockerfile is in the Result.
func Check(text []byte, o Options) (*Result, error) {
	if o.Name == "" {
		o.Name = "Dockerfile"
	}
	c := &checker{o: o, result: &Result{name: o.Name, text: text}}
	if err := c.configure(text); err != nil {
		return nil, err
	}
	c.result.Err = c.check(text)
	if err := c.lint.Error(); err != nil && c.result.Err == nil {
		c.result.Err = err
	}
	slices.SortStableFunc(c.result.Warnings, func(a, b Warning) int { return a.Line() - b.Line() })
	return c.result, nil
}

// A checker goes once through a Dockerfile.
type checker struct {
	o       Options
	lint    *linter.Linter
	result  *Result
	lex     *shell.Lex
	stages  []instructions.Stage
	globals *scope   // the ARGs before the first FROM
	bare    *scope   // those without --build-arg
	done    []*stage // what is known behind each stage
	target  oci.Platform

	ignoring *patternmatcher.PatternMatcher // nil: .dockerignore does not exclude files, or not for good

	failed   int    // the line that Options.Failed is about; 0: none
	expanded int    // bytes that words have come to
	hint     string // of the finding that is about to be reported
}

// configure reads what "# check=" says, or the build argument, which replaces all of
// that.
func (c *checker) configure(text []byte) error {
	value, given := c.o.BuildArgs[Argument]
	where := "--build-arg " + Argument
	if !given {
		value, _, _, _ = parser.ParseDirective("check", text)
		where = c.o.Name + ": # check"
	}
	config, err := linter.ParseLintOptions(value)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", where, value, err)
	}
	config.Warn = c.warn
	c.lint = linter.New(config)
	c.target = platforms.DefaultSpec()
	if p, err := platforms.Parse(c.o.Platform); err == nil && c.o.Platform != "" {
		c.target = platforms.Normalize(p)
	}
	if m, err := patternmatcher.New(c.o.IgnorePatterns); err == nil && !m.Exclusions() {
		c.ignoring = m
	}
	return nil
}

// warn notes what a rule has found.
func (c *checker) warn(rule, description, url, detail string, where []parser.Range) {
	w := Warning{Rule: rule, Description: description, URL: url, Detail: detail, Hint: c.hint, Own: isOwn(rule)}
	for _, r := range where {
		w.Ranges = append(w.Ranges, Lines{r.Start.Line, r.End.Line})
	}
	c.result.Warnings = append(c.result.Warnings, w)
}

// check runs all rules; its error is the Dockerfile's.
func (c *checker) check(text []byte) error {
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return c.broken(text, err)
	}
	if err := dockerfile.Count(parsed.AST); err != nil {
		return fmt.Errorf("%s: %w", c.o.Name, err)
	}
	c.lex = shell.NewLex(parsed.EscapeToken)
	c.emptyLines(parsed.Warnings)
	var global []instructions.ArgCommand
	if c.stages, global, err = instructions.Parse(parsed.AST, c.lint); err != nil {
		return c.broken(text, err)
	}
	if len(c.stages) == 0 {
		return c.broken(text, errors.New("no FROM"))
	}
	var at *dockerfile.Error
	if errors.As(c.o.Failed, &at) {
		c.failed = at.First
	}
	c.stageNames()
	c.casing(parsed.AST)
	if c.global(global); c.o.Failed != nil && c.failed < line(c.stages[0].Location) {
		return c.o.Failed
	}
	bases := c.from()
	needed, err := c.needed(bases)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(c.stages, func(s instructions.Stage) bool { return c.failedAt(s.Location) }) {
		return c.o.Failed
	}
	for i := range c.stages {
		if !c.stage(i, bases[i], needed[i]) {
			break
		}
	}
	return c.o.Failed
}

// failedAt says whether the conversion has failed at these lines.
func (c *checker) failedAt(where []parser.Range) bool {
	return c.failed > 0 && c.failed == line(where)
}

// line is the first one of a place in the Dockerfile.
func line(where []parser.Range) int {
	if len(where) == 0 {
		return 0
	}
	return where[0].Start.Line
}

// broken is the error that a build has for this text: it quotes the lines.
func (c *checker) broken(text []byte, err error) error {
	if _, e := dockerfile.Parse(c.o.Name, text); e != nil {
		return e
	}
	return fmt.Errorf("%s: %w", c.o.Name, err)
}

// noTarget is the error that a build has for the target.
func (c *checker) noTarget() error {
	file, err := dockerfile.Parse(c.o.Name, c.result.text)
	if err == nil {
		err = file.Has(c.o.Target)
	}
	return err
}

// at is the linter where an instruction is: comments in front of it may have it skip
// rules.
func (c *checker) at(comments []string) *linter.Linter {
	return c.lint.WithMergedConfigFromComments(comments)
}

// needed are the stages whose instructions are checked.
func (c *checker) needed(bases []base) ([]bool, error) {
	needed := make([]bool, len(c.stages))
	if c.o.All {
		for i := range needed {
			needed[i] = true
		}
		return needed, nil
	}
	target := len(c.stages) - 1
	if c.o.Target != "" {
		var ok bool
		if target, ok = c.find(c.o.Target, len(c.stages), true); !ok {
			return nil, c.noTarget()
		}
	}
	var need func(name string, before int, numbers bool)
	visit := func(i int) {
		if needed[i] {
			return
		}
		needed[i] = true
		need(bases[i].name, i, false)
		for _, command := range c.stages[i].Commands {
			switch o := command.(type) {
			case *instructions.CopyCommand:
				need(o.From, i, true)
			case *instructions.RunCommand:
				for _, m := range instructions.GetMounts(o) {
					need(m.From, i, true)
				}
			}
		}
	}
	need = func(name string, before int, numbers bool) {
		if i, ok := c.find(name, before, numbers); ok && name != "" {
			visit(i)
		}
	}
	visit(target)
	return needed, nil
}
