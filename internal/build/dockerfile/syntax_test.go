package dockerfile

import "testing"

// TestForeignSyntax: a "# syntax=" that names docker/dockerfile is the built-in frontend; any
// other gives a warning.
func TestForeignSyntax(t *testing.T) {
	const other = " is ignored: minirun uses its built-in frontend (docker/dockerfile)"
	for _, c := range []struct{ text, argument, want string }{
		{"FROM a\n", "", ""},
		{"# syntax=docker/dockerfile\nFROM a\n", "", ""},
		{"# syntax=docker/dockerfile:1.7-labs\nFROM a\n", "", ""},
		{"#syntax = docker.io/docker/dockerfile:1@sha256:0123\nFROM a\n", "", ""},
		{"# escape=`\n# syntax=example.org/other:1 with=more\nFROM a\n", "", "Dockerfile:2: # syntax=example.org/other:1" + other},
		{"# syntax=docker/dockerfile-upstream:master\nFROM a\n", "", "Dockerfile:1: # syntax=docker/dockerfile-upstream:master" + other},
		{"# syntax=example.org/docker/dockerfile\nFROM a\n", "", "Dockerfile:1: # syntax=example.org/docker/dockerfile" + other},
		{"# a comment\n# syntax=other\nFROM a\n", "", ""},
		{"FROM a\n", "other", "--build-arg BUILDKIT_SYNTAX=other" + other},
		{"# syntax=other\nFROM a\n", "docker/dockerfile:1", ""},
	} {
		args := map[string]string{}
		if c.argument != "" {
			args[SyntaxArgument] = c.argument
		}
		got := ""
		if err := ForeignSyntax("Dockerfile", []byte(c.text), args); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.text, c.argument, got, c.want)
		}
	}
}
