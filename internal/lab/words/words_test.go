package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// said returns all sentences in the code of the labs: the first argument of New, Say and Print.
func said(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, root := range []string{"..", "../../../cmd/minirun-lab"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) == 0 {
					return true
				}
				selector, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains([]string{"New", "Say", "Print"}, selector.Sel.Name) {
					return true
				}
				if receiver, ok := selector.X.(*ast.Ident); ok && selector.Sel.Name == "New" && receiver.Name != "words" {
					return true
				}
				if text, ok := call.Args[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
					value, err := strconv.Unquote(text.Value)
					if err == nil && strings.ContainsFunc(withoutVerbs(value), isLetter) {
						out[value] = set.Position(text.Pos()).String()
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0-9.]*[a-zA-Z%]`)

func withoutVerbs(text string) string { return verb.ReplaceAllString(text, "") }

func isLetter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// states are printed through a variable.
var states = []string{"started", "passed", "seen", "edited", "expected", "found", "look"}

// TestEverySentenceIsTranslated: each sentence in the code has a translation with the same verbs, and the
// catalogue has no others.
func TestEverySentenceIsTranslated(t *testing.T) {
	code := said(t)
	if len(code) < 30 {
		t.Fatalf("only %d sentences were found", len(code))
	}
	for _, s := range states {
		code[s] = "a state"
	}
	entries, err := Catalogue("pt-BR")
	if err != nil {
		t.Fatal(err)
	}
	for english, where := range code {
		portuguese, ok := entries[english]
		if !ok {
			t.Errorf("%s: no translation of %q", where, english)
			continue
		}
		if a, b := verbs(english), verbs(portuguese); !slices.Equal(a, b) {
			t.Errorf("%q has the verbs %q, its translation %q", english, a, b)
		}
	}
	for english := range entries {
		if code[english] == "" {
			t.Errorf("the catalogue has %q, which is not in the code", english)
		}
	}
}

// verbs returns the verbs of a format, sorted, without the numbers that reorder them.
func verbs(format string) []string {
	found := verb.FindAllString(format, -1)
	for i := range found {
		found[i] = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(found[i], "")
	}
	slices.Sort(found)
	return found
}

// TestNumbersAreNotGrouped: the library would print 12345 as 12.345 in Portuguese, but it may be a PID.
func TestNumbersAreNotGrouped(t *testing.T) {
	p, err := NewPrinter("pt-BR")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Say("unknown %d %v %q %s", 12345, 70000, "a", New("found")); got != `unknown 12345 70000 "a" encontrado` {
		t.Error(got)
	}
}
