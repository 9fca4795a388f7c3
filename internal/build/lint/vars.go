package lint

import (
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

// A scope is what variables are. A name that is declared without a value is defined.
type scope struct {
	names   []string
	values  map[string]string
	foreign bool // a base image that is not known may define others
}

func newScope() *scope { return &scope{values: map[string]string{}} }

// Get implements shell.EnvGetter.
func (s *scope) Get(name string) (string, bool) {
	v, ok := s.values[name]
	return v, ok
}

// Keys implements shell.EnvGetter.
func (s *scope) Keys() []string { return s.names }

func (s *scope) declare(name string) {
	if !slices.Contains(s.names, name) {
		s.names = append(s.names, name)
	}
}

func (s *scope) set(name, value string) {
	s.declare(name)
	s.values[name] = value
}

func (s *scope) has(name string) bool { return slices.Contains(s.names, name) }

func (s *scope) clone() *scope {
	out := &scope{names: slices.Clone(s.names), values: map[string]string{}, foreign: s.foreign}
	for name, value := range s.values {
		out.values[name] = value
	}
	return out
}

// platformNames are the arguments that nobody declares before the first FROM.
func platformNames() []string {
	names := []string{"TARGETSTAGE"}
	for _, of := range []string{"BUILD", "TARGET"} {
		for _, what := range []string{"PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION"} {
			names = append(names, of+what)
		}
	}
	return names
}

// similar is the name that was meant, perhaps.
func similar(name string, names []string) string {
	found, ok := suggest.Search(name, names, true)
	if !ok || found == name {
		return ""
	}
	return found
}

// A reader expands words of an instruction and notes the names that nobody defines.
type reader struct {
	c       *checker
	vars    *scope
	unknown []string
}

func (r *reader) word(word string) (string, error) {
	p, err := r.c.lex.ProcessWordWithMatches(word, r.vars)
	for name := range p.Unmatched {
		if !r.vars.has(name) && !slices.Contains(r.unknown, name) {
			r.unknown = append(r.unknown, name)
		}
	}
	if err != nil { // the build says so; here the word stays
		return word, nil
	}
	return p.Result, nil
}

// report: UndefinedVar.
func (r *reader) report(l *linter.Linter, where []parser.Range) {
	rule := &linter.RuleUndefinedVar
	slices.Sort(r.unknown)
	for _, name := range r.unknown {
		hint := similar(name, r.vars.names)
		if r.vars.foreign && hint == "" {
			continue
		}
		l.Run(rule, where, rule.Format(name, hint))
	}
}
