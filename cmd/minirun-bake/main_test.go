package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/moby/buildkit/client"
	"github.com/spf13/pflag"
)

// TestManPageListsAllFlags: the manual page describes every flag, and no others.
func TestManPageListsAllFlags(t *testing.T) {
	page, err := os.ReadFile("../../docs/man/minirun-build-bake.8")
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Fl (.*)$`).FindAllStringSubmatch(string(page), -1) {
		names, _, _ := strings.Cut(m[1], " Ar ")
		for n := range strings.SplitSeq(names, " , ") {
			described = append(described, strings.TrimLeft(n, "-"))
		}
	}
	known := []string{"help", "h"}
	(&options{}).flagSet().VisitAll(func(f *pflag.Flag) {
		known = append(known, f.Name)
		if f.Shorthand != "" {
			known = append(known, f.Shorthand)
		}
	})
	slices.Sort(known)
	slices.Sort(described)
	if !slices.Equal(known, described) {
		t.Errorf("described are %q, and there are %q", described, known)
	}
}

func TestParseJobs(t *testing.T) {
	for text, want := range map[string]limits{
		"": {}, "0": {}, "3": {parallel: 3}, "fail-fast": {}, "parallel=2": {parallel: 2},
		"defer-error":            {keepGoing: true},
		"defer-error,parallel=4": {4, true}, "mode=defer-error": {keepGoing: true},
	} {
		if got, err := parseJobs(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "x", "parallel=x", "defer-output", "mode=x", "parallel=-1", "a=b"} {
		if _, err := parseJobs(text); err == nil {
			t.Errorf("%q: is accepted", text)
		}
	}
}

// TestTargetWriterReassemblesLines: lines are reassembled from pieces; the steps of a status belong to the
// target, and other lines are kept.
func TestTargetWriterReassemblesLines(t *testing.T) {
	b := &progressDisplay{statuses: make(chan *client.SolveStatus, 9), finished: make(chan struct{}), forText: true}
	close(b.finished)
	w := b.writerFor("app")
	for _, text := range []string{
		"{\"vertexes\":[{\"digest\":\"sha256:a\",\"na",
		"me\":\"[internal] load\"},{\"digest\":\"sha256:b\",\"name\":\"exporting\\u001b[2J\"}]}\n",
		"{\"logs\":[{\"vertex\":\"sha256:a\",\"data\":\"YRtbMkpiDWMKG11kB2U=\"}]}\nminirun: ",
		"a warning\n{no JSON\nend",
	} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Error(n, err)
		}
	}
	var out strings.Builder
	b.close(&out)
	if want := "app: minirun: a warning\napp: {no JSON\napp: end\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	first, second := <-b.statuses, <-b.statuses
	if v := first.Vertexes; v[0].Name != "[app internal] load" || v[1].Name != "[app] exporting\ufffd[2J" ||
		v[0].Digest == v[1].Digest || v[0].Digest.Validate() != nil {
		t.Errorf("%+v %+v", v[0], v[1])
	}
	if l := second.Logs[0]; l.Vertex != first.Vertexes[0].Digest || string(l.Data) != "ab\nc\ne" {
		t.Errorf("the output is %q of %s", l.Data, l.Vertex)
	}
}

// TestPrintfHidesControlCharacters: text from a definition reaches the terminal without control characters.
func TestPrintfHidesControlCharacters(t *testing.T) {
	var out strings.Builder
	printf(&out, "%s|%s\n", "a\x1b[2J\tb\n", visible("c\nd\u202e", "\n"))
	if want := "a\ufffd[2J\ufffdb\ufffd|c\nd\ufffd\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestHelpFitsIntoATerminal: no line of the help is wider than 80 columns.
func TestHelpFitsIntoATerminal(t *testing.T) {
	for line := range strings.Lines(usage + (&options{}).flagSet().FlagUsagesWrapped(helpWidth) + examples) {
		if utf8.RuneCountInString(strings.TrimRight(line, "\n")) > helpWidth {
			t.Errorf("too wide: %s", line)
		}
	}
}
