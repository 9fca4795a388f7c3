// Package dockerfile makes a graph of a Dockerfile: the language (BuildKit's
// parser), the scopes of its variables, its stages, and what each instruction does.
// It touches nothing: what images say comes from whoever asks.
//
//	dockerfile.go   Parse, Graph: a table of contents
//	scope.go        what a variable's name means where
//	stage.go        stages, on demand: those that the target does not need stay text
//	instruction.go  one instruction → one node
//	copy.go         COPY and ADD
//	execute.go      RUN, its mounts, its here-documents
//	budget.go       how large all of it may become
//	text.go         instructions as people read them: progress, history
//	errors.go       errors that quote the Dockerfile
//	mistakes.go     what was probably meant
//	outline.go      the parameters of a target, and the targets
//	remote.go       what SOURCE_DATE_EPOCH asks for: a global ARG, what a stage fetches
//	syntax.go       "# syntax=", which is not obeyed
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

// Options are what the command line says, and what is known from elsewhere.
type Options struct {
	Name      string // of the file, for messages
	BuildArgs map[string]string
	Unset     []string // global ARGs that have no value, whatever their defaults
	Target    string   // a stage's name or number; "": the last
	Build     oci.Platform
	Platform  oci.Platform // of the result
	Labels    map[string]string
	Hosts     []string // --add-host NAME=ADDRESS
	Limits    graph.Limits
	Network   string // for RUN without --network; "": "default"

	// Contexts are the names of --build-context that are directories; Stages those
	// that are another image.
	Contexts []string
	Images   map[string]string

	// Allowed says whether an entitlement was given with --allow.
	Allowed func(entitlement string) bool

	// Device returns the CDI devices that RUN --device stands for; nil: devices are not
	// looked up.
	Device func(name string, required bool) ([]string, error)

	// Resolve reads what an image says. It is asked only for images that are needed.
	Resolve func(name string, p oci.Platform) (*graph.Image, error)

	unknownImages bool // one that Resolve does not know is empty
}

// ErrUnknownImage is what Resolve returns in a check for an image that is not known.
var ErrUnknownImage = errors.New("unknown image")

// A File is a Dockerfile, parsed.
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

// Graph makes the graph for one platform.
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

// Check returns the first error of the conversion: of all stages in their order, or of
// those that the target needs. Stages of images that are not known are not converted.
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

// builder begins a graph: the global variables are known.
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
	for i := range f.stages { // also of stages that the target does not need
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

// Has says whether there is a stage to build, by its name or number.
func (f *File) Has(target string) error {
	_, err := f.find(target)
	return err
}

// UnknownStages returns those of the names that no stage has.
func (f *File) UnknownStages(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, ok := lastStage(f.stages, name)
		for i := range f.stages {
			ok = ok || f.stages[i].Name == "" && name == "stage-"+strconv.Itoa(i)
		}
		return ok
	})
}

// find looks a stage up by its name or number.
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

// A builder makes one graph.
type builder struct {
	*File
	o   Options
	g   *graph.Graph
	lex *shell.Lex

	args     scope             // the global ones
	platform map[string]string // those that nobody declares

	state  []int    // of stages: 0 not begun, 1 begun, 2 made
	failed []error  // why stages could not be made
	scopes []*scope // of stages that are made, for stages on top of them
	depths []int    // how many layers they have
	spent  int      // see budget.go
	images map[string]*graph.Node
	nodes  int

	noted map[int]*parameters // by stage, for an Outline; nil: nothing is noted
}

// globals reads the ARGs before the first FROM.
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

// declare carries ARG out: the value from the command line, or the default, or in
// a stage what is global. What it has come to is returned.
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

// value is what one variable of an ARG has, nil for none. The default that --build-arg
// replaces is not expanded: ${X:?…} fails there only if X is needed.
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

// labels adds those of the command line.
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

// Unknown are the build arguments that no ARG of the Dockerfile asks for.
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
