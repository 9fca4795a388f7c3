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
		first, last := lines(s.Location)
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
	o.unknownImages = true
	b, target, err := f.builder(o)
	if err != nil {
		return nil, err
	}
	b.noted = map[int]*parameters{}
	if _, err := b.stage(target); err != nil {
		return nil, quote(err, o.Name, f.Text)
	}
	var all parameters
	for i := range b.stages { // a stage's own parameters replace those of the stages that it needs
		if b.state[i] != 2 {
			continue
		}
		all.args.replace(b.globalsOf(i))
		if own := b.noted[i]; own != nil {
			all.args.replace(own.args)
			all.secrets.replace(own.secrets)
			all.ssh.replace(own.ssh)
		}
	}
	out := &Outline{Name: strings.ToLower(b.stages[target].Name), Description: b.stages[target].DocComment, Sources: [][]byte{f.Text}}
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

// parametersOf returns the parameters recorded for a stage; nil if none are recorded.
func (d *draft) parametersOf() *parameters {
	if d.b.noted == nil {
		return nil
	}
	if d.b.noted[d.stage.Index] == nil {
		d.b.noted[d.stage.Index] = &parameters{}
	}
	return d.b.noted[d.stage.Index]
}

// noteArguments records what an ARG declares. An ARG that gets its value from a global ARG is
// recorded as that one; the predefined platform arguments are not parameters.
func (d *draft) noteArguments(n *graph.Node, c *instructions.ArgCommand) {
	p := d.parametersOf()
	if p == nil {
		return
	}
	for _, a := range c.Args {
		_, given := d.b.o.BuildArgs[a.Key]
		global, declared := d.b.globalParameter(a.Key)
		_, platform := d.b.platform[a.Key]
		switch {
		case !given && a.Value == nil && declared && global.Value != "":
			p.args.set(global)
			for _, needed := range d.b.globalsIn(d.b.defaultsOf(a.Key)...) {
				p.args.addFirst(needed)
			}
		case !given && a.Value == nil && platform:
		default:
			value, _ := d.vars.arg(a.Key)
			p.args.set(Parameter{Name: a.Key, Description: a.DocComment, Value: value, node: n})
		}
	}
}

// noteMount records the secret or agent of a RUN.
func (d *draft) noteMount(n *graph.Node, m *graph.Mount) {
	p := d.parametersOf()
	if p == nil {
		return
	}
	switch m.Type {
	case "secret":
		p.secrets.addFirst(Parameter{Name: m.ID, Required: m.Required, node: n})
	case "ssh":
		p.ssh.addFirst(Parameter{Name: m.ID, Required: m.Required, node: n})
	}
}

// globalParameter returns a global ARG as a parameter.
func (b *builder) globalParameter(name string) (p Parameter, declared bool) {
	for i := range b.File.global {
		c := &b.File.global[i]
		for _, a := range c.Args {
			if a.Key == name {
				value, _ := b.args.arg(name)
				first, last := lines(c.Location())
				p, declared = Parameter{Name: name, Description: a.DocComment, Value: value, Location: Lines(first, last)}, true
			}
		}
	}
	return p, declared
}

// globalsOf returns the global ARGs that the FROM of a stage needs, also for their defaults.
func (b *builder) globalsOf(stage int) parameterList {
	return b.globalsIn(b.stages[stage].BaseName, b.stages[stage].Platform)
}

// globalsIn returns the global ARGs that words use, and those that their defaults use.
func (b *builder) globalsIn(words ...string) parameterList {
	var out parameterList
	var need func(word string)
	need = func(word string) {
		result, err := b.lex.ProcessWordWithMatches(word, &b.args)
		if err != nil {
			return // the conversion has already reported this error
		}
		for name := range result.Matched {
			p, declared := b.globalParameter(name)
			if !declared || slices.ContainsFunc(out, func(o Parameter) bool { return o.Name == name }) {
				continue
			}
			out = append(out, p)
			if _, given := b.o.BuildArgs[name]; !given {
				for _, value := range b.defaultsOf(name) {
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

// defaultsOf returns the defaults of a global ARG as written: each may use the one before it.
func (b *builder) defaultsOf(name string) (out []string) {
	for i := range b.File.global {
		for _, a := range b.File.global[i].Args {
			if a.Key == name && a.Value != nil {
				out = append(out, *a.Value)
			}
		}
	}
	return out
}
