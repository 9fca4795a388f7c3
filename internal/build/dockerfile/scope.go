package dockerfile

import (
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// This file owns what a variable's name means where (Dockerfile reference,
// "Understand how ARG and FROM interact", "Scope", "Predefined ARGs").
//
//	global   ARGs before the first FROM, and the platforms: for FROM lines, and for
//	         an ARG without a value in a stage
//	stage    the stage's ARGs, and the image's ENV, which wins

// A variable is NAME=VALUE. One that is declared without a value has none.
type variable struct {
	name  string
	value *string
}

// scope looks names up: the last variable of a name counts, the environment before
// all.
type scope struct {
	args []variable
	env  []string
}

// Get implements shell.EnvGetter.
func (s *scope) Get(name string) (string, bool) {
	for _, e := range s.env {
		if n, value, _ := strings.Cut(e, "="); n == name {
			return value, true
		}
	}
	return s.arg(name)
}

func (s *scope) arg(name string) (string, bool) {
	for _, a := range slices.Backward(s.args) {
		if a.name == name {
			if a.value == nil {
				return "", false
			}
			return *a.value, true
		}
	}
	return "", false
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

// set declares a variable anew.
func (s *scope) set(name string, value *string) {
	s.args = slices.DeleteFunc(s.args, func(v variable) bool { return v.name == name })
	s.args = append(s.args, variable{name, value})
}

// platformArguments are the global variables that nobody declares.
func platformArguments(build, target oci.Platform, stage string) map[string]string {
	out := map[string]string{"TARGETSTAGE": stage}
	for prefix, p := range map[string]oci.Platform{"BUILD": build, "TARGET": target} {
		out[prefix+"PLATFORM"] = platforms.Format(p)
		out[prefix+"OS"], out[prefix+"ARCH"], out[prefix+"VARIANT"] = p.OS, p.Architecture, p.Variant
	}
	return out
}

// proxies are arguments that need no ARG, and that no cache key and no history has.
var proxies = []string{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"}

// IsProxy says whether an argument is one of the proxies, in capitals or not.
func IsProxy(name string) bool { return slices.Contains(proxies, strings.ToUpper(name)) }

// expander makes of a word what it stands for.
type expander struct {
	b   *builder
	lex *shell.Lex
	env shell.EnvGetter
}

func (e expander) word(word string) (string, error) {
	if err := e.bound(word); err != nil {
		return "", err
	}
	out, _, err := e.lex.ProcessWord(word, e.env)
	if err == nil {
		err = e.b.spend(len(out))
	}
	return out, err
}

func (e expander) words(word string) (out []string, err error) {
	if err := e.bound(word); err != nil {
		return nil, err
	}
	if out, err = e.lex.ProcessWords(word, e.env); err == nil {
		err = e.b.spend(len(strings.Join(out, "")))
	}
	return out, err
}
