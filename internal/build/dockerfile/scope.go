package dockerfile

import (
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// This file defines which value a variable has at each place (Dockerfile reference,
// "Understand how ARG and FROM interact", "Scope", "Predefined ARGs").
//
//	global   ARGs before the first FROM, and the platforms: for FROM lines, and for
//	         an ARG without a value in a stage
//	stage    the stage's ARGs, and the image's ENV: the last one written wins

// A variable is NAME=VALUE. If it was declared without a value, it has none.
type variable struct {
	name     string
	value    *string
	shadowed bool // by a later ENV
}

// scope resolves names. Its ARGs are in the order of their first declaration.
type scope struct {
	args []variable
	env  []string
}

// Get implements shell.EnvGetter.
func (s *scope) Get(name string) (string, bool) {
	if value, ok := s.visibleArg(name); ok {
		return value, true
	}
	for _, e := range s.env {
		if n, value, _ := strings.Cut(e, "="); n == name {
			return value, true
		}
	}
	return s.arg(name)
}

// visibleArg returns the value of an ARG that is not shadowed by an ENV.
func (s *scope) visibleArg(name string) (string, bool) {
	i := s.index(name)
	if i < 0 || s.args[i].shadowed {
		return "", false
	}
	return s.arg(name)
}

func (s *scope) index(name string) int {
	return slices.IndexFunc(s.args, func(v variable) bool { return v.name == name })
}

func (s *scope) arg(name string) (string, bool) {
	i := s.index(name)
	if i < 0 || s.args[i].value == nil {
		return "", false
	}
	return *s.args[i].value, true
}

// Keys implements shell.EnvGetter.
func (s *scope) Keys() []string {
	var names []string
	for _, a := range s.args {
		names = append(names, a.name)
	}
	for _, e := range s.env {
		name, _, _ := strings.Cut(e, "=")
		names = append(names, name)
	}
	return names
}

// set declares a variable. One that is declared without a value keeps its old value.
func (s *scope) set(name string, value *string) {
	i := s.index(name)
	if i < 0 {
		s.args = append(s.args, variable{name: name, value: value})
	} else if value != nil {
		s.args[i] = variable{name: name, value: value}
	}
}

// inheritedArgs returns the arguments for a stage based on this one. There the image's environment
// takes precedence, even where an ARG overrode it in this stage.
func (s *scope) inheritedArgs() []variable {
	out := slices.Clone(s.args)
	for i := range out {
		out[i].shadowed = slices.ContainsFunc(s.env, func(e string) bool { return strings.HasPrefix(e, out[i].name+"=") })
	}
	return out
}

// shadow lets an ENV of this name take precedence from here on.
func (s *scope) shadow(name string) {
	if i := s.index(name); i >= 0 {
		s.args[i].shadowed = true
	}
}

// platformArguments returns the predefined global variables.
func platformArguments(build, target oci.Platform, stage string) map[string]string {
	out := map[string]string{"TARGETSTAGE": stage}
	for prefix, p := range map[string]oci.Platform{"BUILD": build, "TARGET": target} {
		out[prefix+"PLATFORM"] = platforms.FormatAll(p)
		out[prefix+"OS"], out[prefix+"OSVERSION"] = p.OS, p.OSVersion
		out[prefix+"ARCH"], out[prefix+"VARIANT"] = p.Architecture, p.Variant
	}
	return out
}

// proxies are arguments that need no ARG, and that are in no cache key and no history.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// IsProxy reports whether an argument is one of the proxies, in upper or lower case.
func IsProxy(name string) bool { return slices.Contains(proxies, strings.ToUpper(name)) }

// expander expands the variables in a word.
type expander struct {
	size *expandedSize
	lex  *shell.Lex
	env  shell.EnvGetter
}

func (e expander) word(word string) (string, error) {
	if err := e.checkSize(word); err != nil {
		return "", err
	}
	out, _, err := e.lex.ProcessWord(word, e.env)
	if err == nil {
		err = e.size.add(len(out))
	}
	return out, err
}

func (e expander) words(word string) (out []string, err error) {
	if err := e.checkSize(word); err != nil {
		return nil, err
	}
	if out, err = e.lex.ProcessWords(word, e.env); err == nil {
		err = e.size.add(len(strings.Join(out, "")))
	}
	return out, err
}
