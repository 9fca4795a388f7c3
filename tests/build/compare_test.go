package build

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCorpus: what minirun makes of each Dockerfile is what BuildKit makes of it,
// but for the differences that differences.txt declares.
func TestCorpus(t *testing.T) {
	testbundleRoot(t)
	s := newStore(t)
	known := differences(t)
	for _, family := range families(t) {
		want := golden(t, family)
		for _, d := range corpus(t, family) {
			t.Run(d.name, func(t *testing.T) {
				got, failure := buildWithMinirun(t, s, d)
				if failure != "" && d.fails == "" && declared(known[d.name], "fails: "+lastLine(failure)) {
					return
				}
				if (failure != "") != (d.fails != "") {
					t.Fatalf("failed: %q; it is to fail: %q", failure, d.fails)
				}
				if d.fails != "" {
					if !regexp.MustCompile(d.fails).MatchString(failure) {
						t.Errorf("failed with %s; want %s", failure, d.fails)
					}
					return
				}
				compare(t, d.name, got, want[d.name], known)
			})
		}
	}
	for name, list := range known {
		for _, k := range list {
			if !k.occurred {
				t.Errorf("differences.txt declares of %s %q, which does not occur", name, k.line)
			}
		}
	}
}

// compare reports lines that only one side has.
func compare(t *testing.T, name string, got, want []string, known map[string][]*difference) {
	t.Helper()
	if want == nil {
		t.Fatal("golden/ has no picture of it: see README.md")
	}
	report := func(sign string, have, others []string) {
		for _, line := range have {
			if slices.Contains(others, line) {
				continue
			}
			line = sign + " " + line
			if !declared(known[name], line) && !declared(known["*"], line) {
				t.Errorf("%s", line)
			}
		}
	}
	report("+", got, want)
	report("-", want, got)
}

// A difference is a line that only one side has: "+ " is minirun's. It may be a
// regular expression.
type difference struct {
	line     string
	pattern  *regexp.Regexp
	occurred bool
}

func declared(list []*difference, line string) bool {
	for _, d := range list {
		if d.pattern.MatchString(line) {
			d.occurred = true
			return true
		}
	}
	return false
}

// differences reads differences.txt: under "# reason", lines of NAME and the
// difference.
func differences(t testing.TB) map[string][]*difference {
	t.Helper()
	text, err := os.ReadFile("differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]*difference{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		out[name] = append(out[name], &difference{line: rest, pattern: regexp.MustCompile("^" + rest + "$")})
	}
	return out
}

func buildWithMinirun(t *testing.T, s *store, d *dockerfile) (lines []string, failure string) {
	t.Helper()
	dir := contextDir(t, d.files, d.script)
	out := filepath.Join(t.TempDir(), "out.tar")
	args := append([]string{"build", "--progress", "plain", "--output", "type=oci,dest=" + out}, d.flags(dir)...)
	r := s.Minirun(append(args, dir)...)
	if r.Status != 0 {
		return nil, r.Stderr
	}
	return picture(t, out), ""
}

// golden reads the pictures of a family.
func golden(t testing.TB, family string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(goldenFile(family))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	name := ""
	for line := range bytes.Lines(text) {
		plain := strings.TrimSuffix(string(line), "\n")
		if n, ok := strings.CutPrefix(plain, "=== "); ok {
			name = n
			continue
		}
		out[name] = append(out[name], plain)
	}
	return out
}

func goldenFile(family string) string {
	return filepath.Join("golden", filepath.Base(family))
}

func testbundleRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it unpacks layers with their owners")
	}
}

// lastLine is an error without the lines that it quotes, and what is behind it.
func lastLine(failure string) string {
	last := ""
	for line := range strings.Lines(failure) {
		if text, ok := strings.CutPrefix(line, "minirun: "); ok {
			last = strings.TrimSpace(text)
		}
	}
	return last
}
