package dockerfile

import (
	"errors"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/minirun/minirun/internal/build/graph"
)

// A graphBuilder creates one graph from a File, which it does not change.
type graphBuilder struct {
	file    *File
	options Options
	graph   *graph.Graph
	lex     *shell.Lex

	globals      scope             // ARGs before the first FROM
	platformArgs map[string]string // the predefined ones

	stages []stageBuilder // by index
	images map[string]*graph.Node
	nodes  int
	size   expandedSize
}

// A stageBuilder is a stage during its conversion, and what other stages need to know about it.
type stageBuilder struct {
	status conversion
	err    error // why the stage could not be converted

	stage      *graph.Stage
	vars       scope // ARGs; the environment is in the configuration
	cmdSet     bool  // CMD was set in this stage, so ENTRYPOINT keeps it
	layers     int
	parameters parameters // for an Outline
}

// conversion is how far a stage has been converted.
type conversion int

const (
	notStarted conversion = iota
	inProgress
	done
)

func (s *stageBuilder) last() *graph.Node { return s.stage.Last() }

// Graph creates the graph for one platform.
func (f *File) Graph(o Options) (*graph.Graph, error) {
	b, target, err := f.newBuilder(o)
	if err != nil {
		return nil, err
	}
	if b.graph.Target, err = b.convertStage(target); err == nil {
		err = b.checkReferences()
	}
	if err != nil {
		return nil, quoteLines(err, o.Name, f.Text)
	}
	for i := range f.stages {
		if b.graph.Stages[i] == nil {
			b.graph.Stages[i] = b.describeStage(i)
		}
	}
	b.addLabels()
	return b.graph, nil
}

// Check returns the first error of the conversion: of all stages in order, or, with a Target, of
// those that it needs. Stages based on unknown images are not converted.
func (f *File) Check(o Options) error {
	b, target, err := f.newBuilder(o)
	if err != nil {
		return err
	}
	first := target
	if o.Target == "" {
		first = 0
	}
	for i := first; i <= target; i++ {
		if _, err := b.convertStage(i); err != nil && !errors.Is(err, ErrUnknownImage) {
			return quoteLines(err, o.Name, f.Text)
		}
	}
	return nil
}

// newBuilder starts a graph, with the global variables set.
func (f *File) newBuilder(o Options) (b *graphBuilder, target int, err error) {
	b = &graphBuilder{
		file: f, options: o, lex: shell.NewLex(f.escape), images: map[string]*graph.Node{},
		stages: make([]stageBuilder, len(f.stages)),
		graph:  &graph.Graph{Platform: o.Platform, Stages: make([]*graph.Stage, len(f.stages))},
	}
	if target, err = f.stageIndex(o.Target); err != nil {
		return nil, 0, err
	}
	if err := b.evaluateGlobals(target); err != nil {
		return nil, 0, quoteLines(err, o.Name, f.Text)
	}
	for i := range f.stages { // even of stages that the target does not need
		if _, _, err := b.expandFrom(&f.stages[i]); err != nil {
			return nil, 0, quoteLines(parser.WithLocation(err, f.stages[i].Location), o.Name, f.Text)
		}
	}
	return b, target, nil
}

// evaluateGlobals evaluates the ARGs before the first FROM.
func (b *graphBuilder) evaluateGlobals(target int) error {
	name := b.file.stages[target].Name
	if name == "" {
		name = "default"
	}
	b.platformArgs = platformArguments(b.options.Build, b.options.Platform, name)
	for n, v := range b.platformArgs {
		b.globals.set(n, &v)
		if given, ok := b.options.BuildArgs[n]; ok {
			b.globals.set(n, &given)
		}
	}
	for _, command := range b.file.global {
		if _, err := b.declareArgs(&b.globals, nil, &command); err != nil {
			return parser.WithLocation(err, command.Location())
		}
	}
	for i := range b.globals.args {
		if v := &b.globals.args[i]; slices.Contains(b.options.Unset, v.name) {
			v.value = nil
		}
	}
	return nil
}

// declareArgs executes an ARG: its value is that from the command line, or the default, or in a
// convertStage the global value. It returns the instruction with its values.
func (b *graphBuilder) declareArgs(s, global *scope, command *instructions.ArgCommand) (parts []string, err error) {
	for _, a := range command.Args {
		value, err := b.argValue(s, global, a)
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

// argValue returns the value of one variable of an ARG, nil for none. A default that --build-arg
// overrides is not expanded: ${X:?…} fails there only if X is needed.
func (b *graphBuilder) argValue(s, global *scope, a instructions.KeyValuePairOptional) (*string, error) {
	if given, ok := b.options.BuildArgs[a.Key]; ok {
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

func (b *graphBuilder) expander(s *scope) expander { return expander{&b.size, b.lex, s} }

// addLabels adds the labels from the command line.
func (b *graphBuilder) addLabels() {
	if len(b.options.Labels) == 0 {
		return
	}
	c := cloneConfig(b.graph.Target.Last().Config)
	if c.Config.Labels == nil {
		c.Config.Labels = map[string]string{}
	}
	for name, value := range b.options.Labels {
		c.Config.Labels[name] = value
	}
	b.graph.Target.Last().Config = c
}

func (b *graphBuilder) nextID() int {
	b.nodes++
	return b.nodes - 1
}

// addNode appends a node after the last one.
func (b *graphBuilder) addNode(s *stageBuilder, n *graph.Node) error {
	n.ID, n.Stage = b.nextID(), s.stage
	if len(s.stage.Nodes) > 0 {
		n.Parent = s.last()
		if n.Config == nil {
			n.Config = n.Parent.Config
		}
	}
	s.stage.Nodes = append(s.stage.Nodes, n)
	s.vars.env = n.Config.Config.Env
	if err := b.countLayers(s, n); err != nil {
		return err
	}
	return b.checkNode(n)
}
