// Package lint checks Dockerfiles without building them: BuildKit's rules under BuildKit's
// names, and a few of minirun's own.
//
//	lint.go     Check: the options, the walk over the stages
//	text.go     rules that check the source lines
//	from.go     rules of FROM, and the variables in it
//	command.go  rules of the other instructions, in the order in which they take effect
//	vars.go     variables: which are defined where
//	files.go    rules of COPY and ADD
//	minirun.go  minirun's own rules: RUN apt-get update, COPY --from
//	mistakes.go more of them: Dockerfiles that build, but probably not as intended
//	hints.go    what to write instead, for BuildKit's rules
//	print.go    results as text and JSON
//
// The rules run in the order of BuildKit's phases, and an error ends them in the same place:
// the parser (StageNameCasing, FromAsCasing, MaintainerDeprecated and
// InvalidDefinitionDescription are its own), names and letter case, global ARGs, all FROM
// lines, then the instructions of one stage after the other.
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

// Options contain all inputs except the Dockerfile.
type Options struct {
	Name      string // of the file, for messages; "": Dockerfile
	BuildArgs map[string]string
	Target    string // "": the last stage
	All       bool   // check the instructions of all stages, not only of those that the target needs
	Platform  string // of the target, as in --platform; "": this host's

	// Ignored is that of the context (contenthash.Tree.Ignored); nil: nothing is ignored.
	// IgnorePatterns are the lines of .dockerignore on which it is based.
	Ignored        func(name string, isDir bool) (ignored, prune bool)
	IgnorePatterns []string

	// Exists reports whether a path exists in the context; nil: unknown.
	Exists func(name string) bool

	// Base returns the configuration of a base image, or nil if it is unknown. An undefined
	// variable may then be defined by the image, and is a finding only if its name looks like a
	// misspelling of another one.
	Base func(image string, p oci.Platform) *docker.DockerOCIImage

	// Failed is the error from converting this Dockerfile to a graph. Lines after the place of
	// the error are not checked.
	Failed error
}

// Argument is the build argument whose value overrides "# check=":
// skip=RULE,…;error=BOOL;experimental=RULE,…
const Argument = "BUILDKIT_DOCKERFILE_CHECK"

// A Warning is one finding.
type Warning struct {
	Rule          string
	Description   string // of the rule
	URL           string // of the rule's documentation
	Detail        string // the finding
	Hint          string // what to write instead; "": the detail says it
	Ranges        []Lines
	IsMinirunRule bool // it is minirun's own rule; BuildKit has no rule of this name
}

// Lines are consecutive lines of a Dockerfile, counted from 1.
type Lines struct{ First, Last int }

// Line returns the first line of a warning; 0 if it has none.
func (w *Warning) Line() int {
	line := 0
	for _, r := range w.Ranges {
		if line == 0 || r.First < line {
			line = r.First
		}
	}
	return line
}

// lastLine returns the last line of a warning.
func (w *Warning) lastLine() int {
	line := 0
	for _, r := range w.Ranges {
		line = max(line, r.Last)
	}
	return line
}

// A Result holds the findings of Check.
type Result struct {
	Warnings []Warning // by line

	// Err is the error with which a build would fail: the Dockerfile cannot be parsed, or it
	// has findings and contains "# check=error=true".
	Err error

	name string
	text []byte
}

// Source returns the name and text of the Dockerfile that was checked.
func (r *Result) Source() (name string, text []byte) { return r.name, r.text }

// Check checks a Dockerfile. It returns an error only for invalid options; problems in the
// Dockerfile are in the Result.
func Check(text []byte, o Options) (*Result, error) {
	if o.Name == "" {
		o.Name = "Dockerfile"
	}
	c := &checker{options: o, result: &Result{name: o.Name, text: text}}
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

// A checker makes one pass through a Dockerfile.
type checker struct {
	options     Options
	lint        *linter.Linter
	result      *Result
	lex         *shell.Lex
	stages      []instructions.Stage
	globals     *scope        // the ARGs before the first FROM
	defaults    *scope        // the same without --build-arg
	stageStates []*stageState // the state after each stage
	target      oci.Platform

	ignoreMatcher *patternmatcher.PatternMatcher // nil: .dockerignore excludes no files, or has patterns with !

	failed   int    // the line of Options.Failed; 0: none
	expanded int    // total size of expanded words
	hint     string // of the finding that runWithHint adds
}

// configure reads "# check=", or the build argument, which replaces all of it.
func (c *checker) configure(text []byte) error {
	value, given := c.options.BuildArgs[Argument]
	where := "--build-arg " + Argument
	if !given {
		value, _, _, _ = parser.ParseDirective("check", text)
		where = c.options.Name + ": # check"
	}
	config, err := linter.ParseLintOptions(value)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", where, value, err)
	}
	config.Warn = c.warn
	c.lint = linter.New(config)
	c.target = platforms.DefaultSpec()
	if p, err := platforms.Parse(c.options.Platform); err == nil && c.options.Platform != "" {
		c.target = platforms.Normalize(p)
	}
	if m, err := patternmatcher.New(c.options.IgnorePatterns); err == nil && !m.Exclusions() {
		c.ignoreMatcher = m
	}
	return nil
}

// warn records a finding of a rule.
func (c *checker) warn(rule, description, url, detail string, where []parser.Range) {
	w := Warning{
		Rule: rule, Description: description, URL: url, Detail: detail, Hint: c.hint, IsMinirunRule: isMinirunRule(rule),
	}
	for _, r := range where {
		w.Ranges = append(w.Ranges, Lines{r.Start.Line, r.End.Line})
	}
	c.result.Warnings = append(c.result.Warnings, w)
}

// A finding is the input of runWithHint.
type finding struct {
	rule  linter.LinterRuleI
	where []parser.Range
	text  string
	hint  string
}

// runWithHint adds a finding with a hint, which the linter itself cannot pass on to warn.
func (c *checker) runWithHint(l *linter.Linter, f finding) {
	c.hint = f.hint
	l.Run(f.rule, f.where, f.text)
	c.hint = ""
}

// check runs all rules; it returns an error in the Dockerfile.
func (c *checker) check(text []byte) error {
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return c.parseError(text, err)
	}
	if err := dockerfile.CheckCount(parsed.AST); err != nil {
		return fmt.Errorf("%s: %w", c.options.Name, err)
	}
	c.lex = shell.NewLex(parsed.EscapeToken)
	c.checkEmptyLines(parsed.Warnings)
	var global []instructions.ArgCommand
	if c.stages, global, err = instructions.Parse(parsed.AST, c.lint); err != nil {
		return c.parseError(text, err)
	}
	if len(c.stages) == 0 {
		return c.parseError(text, errors.New("the file has no FROM"))
	}
	var at *dockerfile.Error
	if errors.As(c.options.Failed, &at) {
		c.failed = at.First
	}
	c.checkStageNames()
	c.checkCasing(parsed.AST)
	if c.evaluateGlobals(global); c.options.Failed != nil && c.failed < firstLine(c.stages[0].Location) {
		return c.options.Failed
	}
	bases := c.checkAllFrom()
	needed, err := c.neededStages(bases)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(c.stages, func(s instructions.Stage) bool { return c.failedAt(s.Location) }) {
		return c.options.Failed
	}
	for i := range c.stages {
		if !c.checkStage(i, bases[i], needed[i]) {
			break
		}
	}
	return c.options.Failed
}

// failedAt reports whether the conversion failed at these lines.
func (c *checker) failedAt(where []parser.Range) bool {
	return c.failed > 0 && c.failed == firstLine(where)
}

// firstLine returns the first line of a place in the Dockerfile.
func firstLine(where []parser.Range) int {
	if len(where) == 0 {
		return 0
	}
	return where[0].Start.Line
}

// parseError returns the error that a build reports for this text: it quotes the lines.
func (c *checker) parseError(text []byte, err error) error {
	if _, e := dockerfile.Parse(c.options.Name, text); e != nil {
		return e
	}
	return fmt.Errorf("%s: %w", c.options.Name, err)
}

// targetError returns the error that a build reports for the target.
func (c *checker) targetError() error {
	file, err := dockerfile.Parse(c.options.Name, c.result.text)
	if err == nil {
		err = file.CheckTarget(c.options.Target)
	}
	return err
}

// linterFor returns the linter for an instruction: comments before it may skip rules.
func (c *checker) linterFor(comments []string) *linter.Linter {
	return c.lint.WithMergedConfigFromComments(comments)
}

// neededStages returns the stages whose instructions are checked.
func (c *checker) neededStages(bases []base) ([]bool, error) {
	needed := make([]bool, len(c.stages))
	if c.options.All {
		for i := range needed {
			needed[i] = true
		}
		return needed, nil
	}
	target := len(c.stages) - 1
	if c.options.Target != "" {
		var ok bool
		if target, ok = c.findStage(c.options.Target, len(c.stages)); !ok {
			return nil, c.targetError()
		}
	}
	var visit func(i int)
	use := func(i int, ok bool) {
		if ok {
			visit(i)
		}
	}
	visit = func(i int) {
		if needed[i] {
			return
		}
		needed[i] = true
		use(c.findStageByName(bases[i].name, i))
		for _, command := range c.stages[i].Commands {
			switch o := command.(type) {
			case *instructions.CopyCommand:
				use(c.findStage(o.From, i))
			case *instructions.RunCommand:
				for _, m := range instructions.GetMounts(o) {
					use(c.findStage(m.From, i))
				}
			}
		}
	}
	visit(target)
	return needed, nil
}
