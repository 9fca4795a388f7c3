package build

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestMistakenArguments: the usual mistakes on the command line are reported in at most four lines,
// with the value and what to do, before anything is done.
func TestMistakenArguments(t *testing.T) {
	s := newStore(t)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	dir := contextDir(t, map[string]string{"context/Dockerfile": "FROM scratch AS base\nFROM base AS builder\n",
		"context/Dockerfile.dev": "FROM base", "empty/file": ""}, "")
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"nope"}, []string{`the context "nope" does not exist`, "hint: ", "minirun build ."}},
		{[]string{"contxt"}, []string{`the context "contxt" does not exist`, "hint: did you mean context?"}},
		{[]string{"empty"}, []string{`no Dockerfile in the context "empty"`, "hint: create empty/Dockerfile"}},
		{[]string{"context/Dockerfile"}, []string{"is a file", "hint: ", "minirun build -f context/Dockerfile context"}},
		{[]string{"-f", "Dockerfile.dev", "context"}, []string{`"Dockerfile.dev" does not exist`, "hint: ",
			"minirun build -f context/Dockerfile.dev context"}},
		{[]string{"-t", "UPPER", "context"}, []string{`"UPPER": must be lower case`, "hint: use upper"}},
		{[]string{"context", "-t"}, []string{"flag needs an argument: -t NAME (name the image NAME)", "hint: "}},
		{[]string{}, []string{"one argument, the context", "hint: ", "minirun build [OPTIONS] ."}},
		{[]string{"--platform", "linux/nope/a/b", "context"}, []string{"linux/nope/a/b", "hint: "}},
		{[]string{"--check", "nope"}, []string{`the context "nope" does not exist`, "hint: "}},
		{[]string{"--target", "bilder", "context"}, []string{`"bilder"`, "did you mean builder?",
			"hint: the stages are base, builder"}},
		{[]string{server.URL + "/context.tar"}, []string{server.URL + "/context.tar", "404 Not Found",
			"hint: check the address: curl -I " + server.URL}},
	} {
		cmd := s.Command(append([]string{"build"}, c.args...)...)
		cmd.Dir = dir
		r := testbundle.Finish(t, cmd)
		r.Fails(t, c.words...)
		if message := r.Stderr[max(strings.Index(r.Stderr, "minirun: "), 0):]; strings.Count(message, "\n") > 4 {
			t.Errorf("build %q: the message has more than four lines:\n%s", c.args, r.Stderr)
		}
		if strings.Contains(r.Stderr, "------") {
			t.Errorf("build %q: the output shows a section without lines:\n%s", c.args, r.Stderr)
		}
	}
}
