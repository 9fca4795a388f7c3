package dockerfile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/minirun/minirun/internal/build/graph"
)

// An Outline lists the parameters of a target: what can be passed to its build. The JSON names
// are those of BuildKit's request frontend.outline.
type Outline struct {
	Name        string      `json:"name,omitempty"` // in lower case; "": the stage has none
	Description string      `json:"description,omitempty"`
	Args        []Parameter `json:"args,omitempty"`
	Secrets     []Parameter `json:"secrets,omitempty"`
	SSH         []Parameter `json:"ssh,omitempty"`
	Sources     [][]byte    `json:"sources,omitempty"` // the Dockerfile
}

// A Parameter is an ARG, a secret or an SSH agent.
type Parameter struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Value       string    `json:"value,omitempty"`    // of an ARG
	Required    bool      `json:"required,omitempty"` // of a secret or an agent
	Location    *Location `json:"location,omitempty"`

	node *graph.Node // its lines are the location if Location is nil
}

// Targets lists the stages. The JSON names are those of BuildKit's request frontend.targets.
type Targets struct {
	Targets []Target `json:"targets"`
	Sources [][]byte `json:"sources"`
}

// A Target is a stage as written in the Dockerfile: variables are not expanded.
type Target struct {
	Name        string    `json:"name,omitempty"`
	Default     bool      `json:"default,omitempty"`
	Description string    `json:"description,omitempty"`
	Base        string    `json:"base,omitempty"`
	Platform    string    `json:"platform,omitempty"`
	Location    *Location `json:"location,omitempty"`
}

// A Location is a place in a Dockerfile, with BuildKit's field names.
type Location struct {
	Ranges []Span `json:"ranges"`
}

// A Span is a range of consecutive lines.
type Span struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// A Position is a line, counted from 1.
type Position struct {
	Line      int `json:"line"`
	Character int `json:"character,omitempty"`
}

// Lines returns the location of consecutive lines.
func Lines(first, last int) *Location {
	return &Location{Ranges: []Span{{Start: Position{Line: first}, End: Position{Line: last}}}}
}

// Targets lists the stages of the Dockerfile.
func (f *File) Targets() *Targets {
	out := &Targets{Sources: [][]byte{f.Text}}
	for i := range f.stages {
		s := &f.stages[i]
		first, last := lineRange(s.Location)
		out.Targets = append(out.Targets, Target{
			Name: strings.ToLower(s.Name), Default: i == len(f.stages)-1, Description: s.DocComment,
			Base: s.BaseName, Platform: s.Platform, Location: Lines(first, last),
		})
	}
	return out
}

// Outline lists the parameters of a target: its own, and those of the stages that it needs. An
// image unknown to Resolve has none.
func (f *File) Outline(o Options) (*Outline, error) {
	o.outline = true
	b, target, err := f.newBuilder(o)
	if err != nil {
		return nil, err
	}
	if _, err := b.convertStage(target); err != nil {
		return nil, quoteLines(err, o.Name, f.Text)
	}
	var all parameters
	for i := range b.file.stages { // a stage's own parameters replace those of the stages that it needs
		s := &b.stages[i]
		if s.status != done || s.err != nil {
			continue
		}
		all.args.replace(b.globalsForStage(i))
		all.args.replace(s.parameters.args)
		all.secrets.replace(s.parameters.secrets)
		all.ssh.replace(s.parameters.ssh)
	}
	out := &Outline{
		Name:        strings.ToLower(b.file.stages[target].Name),
		Description: b.file.stages[target].DocComment,
		Sources:     [][]byte{f.Text},
	}
	out.Args, out.Secrets, out.SSH = all.args.sorted(), all.secrets.sorted(), all.ssh.sorted()
	return out, nil
}

// parameters are the parameters of one stage.
type parameters struct{ args, secrets, ssh parameterList }

// A parameterList contains each name once.
type parameterList []Parameter

// set adds a parameter, or replaces the one with the same name.
func (l *parameterList) set(p Parameter) {
	if i := slices.IndexFunc(*l, func(o Parameter) bool { return o.Name == p.Name }); i >= 0 {
		(*l)[i] = p
		return
	}
	*l = append(*l, p)
}

// addFirst adds a parameter, unless its name exists already.
func (l *parameterList) addFirst(p Parameter) {
	if !slices.ContainsFunc(*l, func(o Parameter) bool { return o.Name == p.Name }) {
		*l = append(*l, p)
	}
}

func (l *parameterList) replace(by parameterList) {
	for _, p := range by {
		l.set(p)
	}
}

// sorted returns the parameters by line, with their locations.
func (l parameterList) sorted() []Parameter {
	out := slices.Clone(l)
	for i := range out {
		if p := &out[i]; p.Location == nil && p.node != nil {
			p.Location = Lines(p.node.First, p.node.Last)
		}
	}
	line := func(p Parameter) int { return p.Location.Ranges[0].Start.Line }
	slices.SortStableFunc(out, func(a, b Parameter) int { return cmp.Compare(line(a), line(b)) })
	return out
}

// recordArgs records what an ARG declares. An ARG that gets its value from a global ARG is
// recorded as that one; the predefined platform arguments are not parameters.
func (b *graphBuilder) recordArgs(s *stageBuilder, n *graph.Node, c *instructions.ArgCommand) {
	if !b.options.outline {
		return
	}
	p := &s.parameters
	for _, a := range c.Args {
		_, given := b.options.BuildArgs[a.Key]
		global, declared := b.globalParameter(a.Key)
		_, platform := b.platformArgs[a.Key]
		switch {
		case !given && a.Value == nil && declared && global.Value != "":
			p.args.set(global)
			for _, needed := range b.globalsInWords(b.defaultValues(a.Key)...) {
				p.args.addFirst(needed)
			}
		case !given && a.Value == nil && platform:
		default:
			value, _ := s.vars.arg(a.Key)
			p.args.set(Parameter{Name: a.Key, Description: a.DocComment, Value: value, node: n})
		}
	}
}

// recordMount records the secret or agent of a RUN.
func (b *graphBuilder) recordMount(s *stageBuilder, n *graph.Node, m *graph.Mount) {
	if !b.options.outline {
		return
	}
	p := &s.parameters
	switch m.Type {
	case "secret":
		p.secrets.addFirst(Parameter{Name: m.ID, Required: m.Required, node: n})
	case "ssh":
		p.ssh.addFirst(Parameter{Name: m.ID, Required: m.Required, node: n})
	}
}

// globalParameter returns a global ARG as a parameter.
func (b *graphBuilder) globalParameter(name string) (p Parameter, declared bool) {
	for i := range b.file.global {
		c := &b.file.global[i]
		for _, a := range c.Args {
			if a.Key == name {
				value, _ := b.globals.arg(name)
				first, last := lineRange(c.Location())
				p, declared = Parameter{Name: name, Description: a.DocComment, Value: value, Location: Lines(first, last)}, true
			}
		}
	}
	return p, declared
}

// globalsForStage returns the global ARGs that the FROM of a stage needs, also for their defaults.
func (b *graphBuilder) globalsForStage(stage int) parameterList {
	return b.globalsInWords(b.file.stages[stage].BaseName, b.file.stages[stage].Platform)
}

// globalsInWords returns the global ARGs that words use, and those that their defaults use.
func (b *graphBuilder) globalsInWords(words ...string) parameterList {
	var out parameterList
	var need func(word string)
	need = func(word string) {
		result, err := b.lex.ProcessWordWithMatches(word, &b.globals)
		if err != nil {
			return // the conversion has already reported this error
		}
		for name := range result.Matched {
			p, declared := b.globalParameter(name)
			if !declared || slices.ContainsFunc(out, func(o Parameter) bool { return o.Name == name }) {
				continue
			}
			out = append(out, p)
			if _, given := b.options.BuildArgs[name]; !given {
				for _, value := range b.defaultValues(name) {
					need(value)
				}
			}
		}
	}
	for _, word := range words {
		need(word)
	}
	return out
}

// defaultValues returns the defaults of a global ARG as written: each may use the one before it.
func (b *graphBuilder) defaultValues(name string) (out []string) {
	for i := range b.file.global {
		for _, a := range b.file.global[i].Args {
			if a.Key == name && a.Value != nil {
				out = append(out, *a.Value)
			}
		}
	}
	return out
}
