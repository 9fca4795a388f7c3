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
// The parser fires StageNameCasing, FromAsCasing, MaintainerDeprecated and
// InvalidDefinitionDescription itself. InvalidBaseImagePlatform needs to know images.
package lint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/minirun/minirun/internal/build/dockerfile"
)

// Options are what is known besides the Dockerfile.
type Options struct {
	Name      string // of the file, for messages; "": Dockerfile
	BuildArgs map[string]string
	Target    string // stages that it does not need are not looked into, but for their FROM; "": all are

	// Ignored is the context's (tree.Tree.Ignored); nil: nothing is ignored.
	Ignored func(name string, isDir bool) (ignored, prune bool)

	// Exists says whether the context has a path; nil: it is not known.
	Exists func(name string) bool

	// BaseEnv are the variables of a base image (NAME or NAME=VALUE), nil for those
	// of an image that is not known: then a name that nobody has defined may be its
	// own, and is a finding only if it looks like another one, misspelt.
	BaseEnv func(image string) []string

	// BasePlatform is the platform that an image has, if it was asked for another;
	// "": it is not known.
	BasePlatform func(image, expected string) string
	Platform     string // of the target, as --platform has it; "": this host's

	// Check is more of what "# check=" says: skip=RULE,…;error=BOOL;experimental=RULE,…
	// It is added to the Dockerfile's own.
	Check string
}

// Argument is the build argument that says the same as Check.
const Argument = "BUILDKIT_DOCKERFILE_CHECK"

// A Warning is one finding.
type Warning struct {
	Rule        string
	Description string // of the rule
	URL         string // of the rule's documentation
	Detail      string // what was found
	Hint        string // what to write instead; "": the detail says it
	Line, Last  int    // from 1 on; 0: of no line
	Own         bool   // it is minirun's own rule, BuildKit has none of this name
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
	if c.result.Err == nil {
		c.result.Err = c.lint.Error()
	}
	slices.SortStableFunc(c.result.Warnings, func(a, b Warning) int { return a.Line - b.Line })
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

	expanded int    // bytes that words have come to
	hint     string // of the finding that is about to be reported
}

func (c *checker) configure(text []byte) error {
	config := &linter.Config{}
	if value, _, _, ok := parser.ParseDirective("check", text); ok {
		var err error
		if config, err = linter.ParseLintOptions(value); err != nil {
			return fmt.Errorf("%s: # check=%s: %w", c.o.Name, value, err)
		}
	}
	config.Warn = c.warn
	c.lint = linter.New(config)
	if c.o.Check == "" {
		return nil
	}
	more, err := linter.ParseLintOptions(c.o.Check)
	if err != nil {
		return fmt.Errorf("check %q: %w", c.o.Check, err)
	}
	c.lint = c.lint.WithMergedConfig(more)
	c.lint.ReturnAsError = c.lint.ReturnAsError || more.ReturnAsError
	return nil
}

// warn notes what a rule has found.
func (c *checker) warn(rule, description, url, detail string, where []parser.Range) {
	w := Warning{Rule: rule, Description: description, URL: url, Detail: detail, Hint: c.hint, Own: isOwn(rule)}
	for _, r := range where {
		if w.Line == 0 || r.Start.Line < w.Line {
			w.Line = r.Start.Line
		}
		w.Last = max(w.Last, r.End.Line)
	}
	if !slices.Contains(c.result.Warnings, w) {
		c.result.Warnings = append(c.result.Warnings, w)
	}
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
	c.casing(parsed.AST)
	var global []instructions.ArgCommand
	if c.stages, global, err = instructions.Parse(parsed.AST, c.lint); err != nil {
		return c.broken(text, err)
	}
	if len(c.stages) == 0 {
		return c.broken(text, errors.New("no FROM"))
	}
	c.legacy(parsed.AST)
	c.stageNames()
	c.global(global)
	needed, err := c.needed()
	if err != nil {
		return err
	}
	for i := range c.stages {
		c.stage(i, needed[i])
	}
	return nil
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

// needed are the stages that the target is made of; all, if there is no target.
func (c *checker) needed() ([]bool, error) {
	needed := make([]bool, len(c.stages))
	if c.o.Target == "" {
		for i := range needed {
			needed[i] = true
		}
		return needed, nil
	}
	target, ok := c.find(c.o.Target, len(c.stages), true)
	if !ok {
		return nil, c.noTarget()
	}
	var need func(name string, before int, numbers bool)
	visit := func(i int) {
		if needed[i] {
			return
		}
		needed[i] = true
		base, _ := (&reader{c: c, vars: scopes{c.globals}}).word(c.stages[i].BaseName)
		need(base, i, false)
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
