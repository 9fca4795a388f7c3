package lint

import (
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/util/suggest"
)

// A scope is a set of variables. A name that is declared without a value is defined.
type scope struct {
	names   []string
	values  map[string]*string // of declared variables; nil: without a value
	foreign bool               // an unknown base image may define others
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

// remove removes a variable.
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

// scopes are several scopes, of which the first one wins. Instructions search them in place:
// merging thousands of variables for each instruction takes minutes.
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

// platformNames returns the predefined arguments available before the first FROM.
func platformNames() []string {
	names := []string{"TARGETSTAGE"}
	for _, of := range []string{"BUILD", "TARGET"} {
		for _, what := range []string{"PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION"} {
			names = append(names, of+what)
		}
	}
	return names
}

// suggestName returns the name that was probably meant.
func suggestName(name string, names []string) string {
	found, ok := suggest.Search(name, names, true)
	if !ok || found == name {
		return ""
	}
	return found
}

// A expander expands the words of an instruction and records undefined names, in the order of
// the words, and alphabetically within a word.
type expander struct {
	c       *checker
	vars    scopes
	unknown []string
}

// maxExpanded limits the total size of expanded words: ENV A=$A$A doubles with each line, and
// a build rejects it. Above the limit words are not expanded.
const maxExpanded = 64 << 20

// expandWord expands one word. After an error, BuildKit checks no further words of the instruction.
func (r *expander) expandWord(word string) (string, error) {
	if r.c.expanded > maxExpanded {
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

// reportUndefined checks UndefinedVar.
func (r *expander) reportUndefined(l *linter.Linter, where []parser.Range) {
	rule := &linter.RuleUndefinedVar
	for _, name := range r.unknown {
		hint := suggestName(name, r.vars.Keys())
		if r.vars.foreign() && hint == "" {
			continue
		}
		l.Run(rule, where, rule.Format(name, hint))
	}
}
