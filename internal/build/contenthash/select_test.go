package contenthash

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// contextFiles are the files of the trees of these tests.
var contextFiles = []string{
	"a.go=1", "b.go=2", "c.txt=3", ".hidden=4", "d/a.go=5", "d/e/f.go=6", "x/a.go=7", "empty/",
	"linkdir->d", "linkfile->d/a.go", "linkout->../../../etc", "dangling->nowhere", "loop->loop", "[odd]=8",
}

// names returns the names of the files in a selection, as PATH, or PATH:NAME if the destination has
// another name.
func names(s *Selection) string {
	var out []string
	for _, f := range s.Files {
		if f.Path == f.Name {
			out = append(out, f.Path)
		} else {
			out = append(out, f.Path+":"+f.Name)
		}
	}
	return strings.Join(out, " ")
}

// TestSelect: which files a source stands for, and where they go.
func TestSelect(t *testing.T) {
	for _, c := range []struct {
		source string
		o      Options
		want   string // or an error after !
	}{
		{"a.go", Options{}, "a.go"}, {"/a.go", Options{}, "a.go"}, {"./d/../a.go", Options{}, "a.go"},
		{"../a.go", Options{}, "a.go"},
		{"d", Options{}, "d:. d/a.go:a.go d/e:e d/e/f.go:e/f.go"}, {"d/a.go", Options{}, "d/a.go:a.go"},
		{"empty", Options{}, "empty:."},
		{"*.go", Options{}, "a.go b.go"}, {"?.go", Options{}, "a.go b.go"}, {"[ab].go", Options{}, "a.go b.go"},
		{"[!a].go", Options{}, "a.go"}, {"[^a].go", Options{}, "b.go"},
		{".*", Options{}, ".hidden"}, {"*/a.go", Options{}, "d/a.go:a.go x/a.go:a.go"}, {"*.none", Options{}, ""},
		{`\[odd]`, Options{}, "[odd]"}, {"[", Options{}, "!invalid pattern"},
		{"linkdir", Options{}, "d:. d/a.go:a.go d/e:e d/e/f.go:e/f.go"}, {"linkfile", Options{}, "d/a.go:linkfile"},
		{"linkdir/a.go", Options{}, "d/a.go:a.go"},
		{"linkout", Options{}, "!not found"}, {"dangling", Options{}, "!dangling symbolic link"},
		{"loop", Options{}, "!dangling symbolic link"},
		{"missing", Options{}, "!\"/missing\" not found in the context"}, {"a.g", Options{}, "!did you mean /a.go?"},
		{"d/e/f.goo", Options{}, "!did you mean /d/e/f.go?"},
		{"missing/*.go", Options{}, "!not found"},
		{"d/e/f.go", Options{Parents: true}, "d d/e d/e/f.go"},
		{"d/./e/f.go", Options{Parents: true}, "d:. d/e:e d/e/f.go:e/f.go"},
		{"**/f.go", Options{Parents: true}, "d d/e d/e/f.go"},
		{"x*/./a.go", Options{Parents: true}, "x:. x/a.go:a.go"},
		{"linkfile", Options{Parents: true}, "linkfile"},
		{"linkfile", Options{Parents: true, Resolve: true}, "d/a.go:linkfile"},
		{"d", Options{Exclude: []string{"e"}}, "d:. d/a.go:a.go"},
		{"d", Options{Exclude: []string{"**/*.go", "!e/f.go"}}, "d:. d/e:e d/e/f.go:e/f.go"},
		{"*.go", Options{Exclude: []string{"b.go"}}, "a.go"}, {"a.go", Options{Exclude: []string{"["}}, "!invalid --exclude"},
	} {
		s, err := newTree(t, contextFiles...).Select([]string{c.source}, c.o)
		if wantError, ok := strings.CutPrefix(c.want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), wantError) {
				t.Errorf("%q %+v: the error is %v, want %q", c.source, c.o, err, wantError)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q %+v: %v", c.source, c.o, err)
		} else if got := names(s); got != c.want {
			t.Errorf("%q %+v: %s, want %s", c.source, c.o, got, c.want)
		}
	}
}

// TestSelectIgnored: a file that .dockerignore excludes does not exist for a source, and the error
// says why.
func TestSelectIgnored(t *testing.T) {
	tree := newTree(t, "a=1", "secret=2", "d/x=3", "d/keep=4", "gone/x=5", "l->secret")
	tree.Ignored = func(name string, isDir bool) (ignored, prune bool) {
		switch {
		case name == "d":
			return true, false // a file below it is included again
		case name == "gone":
			return true, true
		}
		return name == "secret" || name == "d/x" || name == "gone/x", false
	}
	for source, want := range map[string]string{
		".": ". a d d/keep l", "[ad]*": "a d:. d/keep:keep", "a": "a", "d": "d:. d/keep:keep",
		"secret": "!.dockerignore excludes it", "gone": "!.dockerignore excludes it", "d/x": "!.dockerignore excludes it",
		"l": "!a symbolic link to a file that .dockerignore excludes",
	} {
		s, err := tree.Select([]string{source}, Options{})
		if wantError, ok := strings.CutPrefix(want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), wantError) || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: the error is %v, want %q", source, err, wantError)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		if got := names(s); got != want {
			t.Errorf("%q: %s, want %s", source, got, want)
		}
	}
}

// TestSourceNumbers: each match of a pattern is a separate source, because hard links are kept only
// in one; with --parents all matches of a pattern are one.
func TestSourceNumbers(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want []int
	}{{Options{}, []int{0, 1, 3}}, {Options{Parents: true}, []int{0, 0, 1}}} {
		s, err := newTree(t, contextFiles...).Select([]string{"*.go", "c.txt"}, c.o)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, f := range s.Files {
			got = append(got, f.Source)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.o, got, c.want)
		}
	}
}

// TestSimilarNames: which names are suggested for a missing one.
func TestSimilarNames(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"server", "server.js", true}, {"package.json", "pakage.json", true}, {"Makefile", "makefile", true},
		{"src", "lib", false}, {"a", "b", false}, {"app", "apps", true}, {"app", "application", false},
		{"node_modules", "dist", false},
	} {
		if got := areSimilar(c.a, c.b); got != c.want || areSimilar(c.b, c.a) != c.want {
			t.Errorf("%s and %s: %t, want %t", c.a, c.b, got, c.want)
		}
	}
}
