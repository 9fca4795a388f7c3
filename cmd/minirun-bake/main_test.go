package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestManPage: the manual page describes every flag, and no other.
func TestManPage(t *testing.T) {
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
	(&options{}).flags().VisitAll(func(f *pflag.Flag) {
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
		"": {}, "0": {}, "3": {parallel: 3}, "fail-fast": {}, "parallel=2": {parallel: 2}, "defer-error": {goOn: true},
		"defer-error,parallel=4": {4, true}, "mode=defer-error": {goOn: true},
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

// TestLines: lines are whole, whatever pieces they come in, and name the target.
func TestLines(t *testing.T) {
	var out strings.Builder
	l := newLines(&out, []*job{{name: "a"}, {name: "long"}})
	a, long := l.of("a"), l.of("long")
	for _, w := range []struct {
		to   *lineWriter
		text string
	}{{a, "one\ntw"}, {long, "x"}, {a, "o\n\n"}, {long, "y\n{\"json\":1}\n"}, {a, "end"}} {
		if n, err := w.to.Write([]byte(w.text)); n != len(w.text) || err != nil {
			t.Error(n, err)
		}
	}
	a.close()
	long.close()
	if want := "a    | one\na    | two\na    | \nlong | xy\n{\"json\":1}\na    | end\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
