package golden

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestDifference: differences are short, and readable.
func TestDifference(t *testing.T) {
	for _, c := range []struct{ base, lines, want string }{
		{"", "", ""},
		{"a b c", "a b c", "..."},
		{"a b c", "b c", "-a|..."},
		{"a b c", "a b", "...|-c"},
		{"a b c d", "a b X c d", "...| b|+X|..."},
		{"a a a b", "a a X a b", " a| a|+X|..."}, // the second a cannot be found by its text
		{"a b", "X Y", "-a|-b|+X|+Y"},
		{"a b c d", "a X", "...|-b|... removed|-d|+X"},
		{"a b c d e", "a X e", "...|-b|... removed|-d|+X|..."},
		{"a a a a b", "b", "-a|-a|-a|-a|..."}, // none of the others can be found by its text
		{"a b c d e", "a X c d Y e", "...|-b|+X|...| d|+Y|..."},
	} {
		base, lines := strings.Fields(c.base), strings.Fields(c.lines)
		got := Difference(base, lines)
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s → %s: %q, want %q", c.base, c.lines, got, c.want)
		}
	}
}

// TestApplyInvertsDifference: the lines come back, whatever repeats.
func TestApplyInvertsDifference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	list := func() []string {
		out := make([]string, random.IntN(12))
		for i := range out {
			out[i] = []string{"", "a", "b", "...", "+c", "-d", " e"}[random.IntN(7)]
		}
		return out
	}
	for range 20000 {
		base, lines := list(), list()
		diff := Difference(base, lines)
		if got, err := Apply(base, diff); err != nil || !slices.Equal(got, lines) {
			t.Fatalf("%q → %q: the difference %q gives %q, %v", base, lines, diff, got, err)
		}
	}
}

// TestApplyRejects: a difference from another base is an error, never another text.
func TestApplyRejects(t *testing.T) {
	for _, c := range []struct{ base, diff, want string }{
		{"a b", "-b", "does not have this line here"},
		{"a b", "...|-c", "does not have this line here"},
		{"a b", "", "ends before the base does"},
		{"a b", " a", "ends before the base does"},
		{"a b", "...|+c", "has no place"},
		{"a b", "a", "has no sign"},
		{"a b", "-a|... removed", "ends before the base does"},
	} {
		diff := strings.FieldsFunc(c.diff, func(r rune) bool { return r == '|' })
		if got, err := Apply(strings.Fields(c.base), diff); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %q, %v; want an error with %q", c.diff, got, err, c.want)
		}
	}
}
