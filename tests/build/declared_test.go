package build

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/minirun/minirun/tests/golden"
)

// A difference is a line that only one of two pictures has, with the sign of the picture that has it,
// in the Dockerfiles whose names match. The name and the line are regular expressions that must match
// completely.
type difference struct {
	text     string
	name     *regexp.Regexp
	line     *regexp.Regexp
	occurred bool
}

// declarations holds the declarations of a file: "NAME SIGN LINE" below "# reason".
type declarations struct {
	file string
	all  []*difference
	mu   sync.Mutex // protects the record of which differences occurred
}

// declared reads a file of declarations. A line without a reason above it is an error.
func declared(t testing.TB, file string) *declarations {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := &declarations{file: file}
	reason := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			reason = line != ""
			continue
		}
		if !reason {
			t.Errorf("%s: %q has no reason: a paragraph begins with # and why", file, line)
		}
		name, rest, _ := strings.Cut(line, " ")
		if name == "*" {
			name = ".*"
		}
		rest = regexp.MustCompile(`^\+ `).ReplaceAllString(rest, `\+ `)
		d.all = append(d.all, &difference{text: line, name: regexp.MustCompile("^(?:" + name + ")$"), line: regexp.MustCompile("^(?:" + rest + ")$")})
	}
	return d
}

// has reports whether a line is declared.
func (d *declarations) has(name, line string) (found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range d.all {
		if one.name.MatchString(name) && one.line.MatchString(line) {
			one.occurred, found = true, true
		}
	}
	return found
}

// check reports declared differences that did not occur.
func (d *declarations) check(t *testing.T) {
	t.Helper()
	for _, one := range d.all {
		if !one.occurred {
			t.Errorf("%s declares %q, which does not occur", d.file, one.text)
		}
	}
}

// compare reports lines that only one picture has, or that are in a different place: "+ " marks a
// line of got. A build that fails is the single line "fails".
func compare(t *testing.T, name string, got, want []string, known ...*declarations) {
	t.Helper()
	if len(want) == 0 || len(got) == 0 {
		t.Fatal("it has no recorded picture: see README.md")
	}
	for _, line := range diff(got, want) {
		if !slices.ContainsFunc(known, func(d *declarations) bool { return d.has(name, line) }) {
			t.Errorf("%s", line)
		}
	}
}

// diff returns the changes that turn one list into the other: a longest common subsequence stays.
func diff(got, want []string) (out []string) {
	if failed(got) || failed(want) {
		switch {
		case failed(got) && !failed(want):
			return []string{"+ " + got[0]}
		case !failed(got):
			return []string{"- " + want[0]}
		}
		return nil
	}
	for _, e := range golden.Edits(got, want) {
		switch e.Sign {
		case '-':
			out = append(out, "+ "+e.Line)
		case '+':
			out = append(out, "- "+e.Line)
		}
	}
	return out
}

func failed(picture []string) bool {
	return len(picture) == 1 && strings.HasPrefix(picture[0], "fails")
}

// TestDiff: duplicates, order and failures count as differences.
func TestDiff(t *testing.T) {
	for _, c := range []struct{ got, want, diff string }{
		{"a b c", "a b c", ""},
		{"a a b", "a b", "+ a"},
		{"a b", "a b b", "- b"},
		{"a b", "b a", "+ a|- a"},
		{"fails", "a b", "+ fails"},
		{"a b", "fails", "- fails"},
		{"fails:x", "fails", ""},
		{"", "a", "- a"},
	} {
		if got := strings.Join(diff(strings.Fields(c.got), strings.Fields(c.want)), "|"); got != c.diff {
			t.Errorf("%q, %q: %q, want %q", c.got, c.want, got, c.diff)
		}
	}
}
