package lint

import (
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

// A scope is what variables are. A name that is declared without a value is defined.
type scope struct {
	names   []string
	values  map[string]*string // of those that are declared; nil: without a value
	foreign bool               // a base image that is not known may define others
}

func newScope() *scope { return &scope{values: map[string]*string{}} }

func (s *scope) Get(name string) (string, bool) {
	if v := s.values[name]; v != nil {
		return *v, true
	}
	return "", false
}

func (s *scope) declare(name string) {
	if !s.has(name) {
		s.names = append(s.names, name)
		s.values[name] = nil
	}
}

func (s *scope) set(name, value string) {
	s.declare(name)
	s.values[name] = &value
}

// remove forgets a variable.
func (s *scope) remove(name string) {
	if s.has(name) {
		s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == name })
		delete(s.values, name)
	}
}

func (s *scope) has(name string) bool {
	_, ok := s.values[name]
	return ok
}

func (s *scope) clone() *scope {
	return &scope{names: slices.Clone(s.names), values: maps.Clone(s.values), foreign: s.foreign}
}

// scopes are several, the first of which wins: an instruction looks into them as they
// are, for copies of thousands of variables, a copy for each instruction, take minutes.
type scopes []*scope

// Get implements shell.EnvGetter.
func (all scopes) Get(name string) (string, bool) {
	for _, s := range all {
		if v, ok := s.Get(name); ok {
			return v, true
		}
	}
	return "", false
}

// Keys implements shell.EnvGetter.
func (all scopes) Keys() (names []string) {
	for _, s := range all {
		names = append(names, s.names...)
	}
	return names
}

func (all scopes) has(name string) bool {
	return slices.ContainsFunc(all, func(s *scope) bool { return s.has(name) })
}

func (all scopes) foreign() bool {
	return slices.ContainsFunc(all, func(s *scope) bool { return s.foreign })
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

// A reader expands words of an instruction and notes the names that nobody defines,
// in the order of the words and, in one word, of the alphabet.
type reader struct {
	c       *checker
	vars    scopes
	unknown []string
}

// mostExpanded bounds what words come to: ENV A=$A$A doubles with each line, and a
// build refuses it. After it words stay as they are.
const mostExpanded = 64 << 20

// word expands one. After an error BuildKit looks at no further word of the instruction.
func (r *reader) word(word string) (string, error) {
	if r.c.expanded > mostExpanded {
		return word, nil
	}
	p, err := r.c.lex.ProcessWordWithMatches(word, r.vars)
	for _, name := range slices.Sorted(maps.Keys(p.Unmatched)) {
		if !r.vars.has(name) {
			r.unknown = append(r.unknown, name)
		}
	}
	if err != nil {
		return word, err
	}
	r.c.expanded += len(p.Result)
	return p.Result, nil
}

// report: UndefinedVar.
func (r *reader) report(l *linter.Linter, where []parser.Range) {
	rule := &linter.RuleUndefinedVar
	for _, name := range r.unknown {
		hint := similar(name, r.vars.Keys())
		if r.vars.foreign() && hint == "" {
			continue
		}
		l.Run(rule, where, rule.Format(name, hint))
	}
}
