package build

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestCorpus: minirun and BuildKit produce the same result from each Dockerfile, except for the
// differences declared in differences.txt.
func TestCorpus(t *testing.T) {
	testbundleRoot(t)
	s, shelf := newStore(t), newShelf(t)
	known := declared(t, "differences.txt")
	t.Cleanup(func() { known.check(t) })
	for _, family := range families(t) {
		want := pictures(t, "golden", family)
		all := corpus(t, family)
		for name := range want {
			if !slices.ContainsFunc(all, func(d *dockerfile) bool { return d.name == name }) {
				t.Errorf("golden/ has a picture of %s, which is in no corpus", name)
			}
		}
		for _, d := range all {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				got, failure := minirunBuilds(t, s, shelf, d)
				if d.fails != "" && !regexp.MustCompile(d.fails).MatchString(failure) {
					t.Errorf("failed with %q; want %s", failure, d.fails)
				}
				compare(t, d.name, got, want[d.name], known)
			})
		}
	}
}

// ofMinirun holds the pictures of minirun's builds, by name, because two tests need them.
var ofMinirun sync.Map

type picturesOf struct {
	lines   []string
	failure string
}

// minirunBuilds builds a Dockerfile once. A build that fails gives a picture of one line.
func minirunBuilds(t *testing.T, s *store, shelf *shelf, d *dockerfile) (lines []string, failure string) {
	t.Helper()
	if known, ok := ofMinirun.Load(d.name); ok {
		return known.(picturesOf).lines, known.(picturesOf).failure
	}
	dir := contextDir(t, d.files, d.script)
	plain := serve(t, dir)
	out := filepath.Join(t.TempDir(), "out.tar")
	args := append([]string{"build", "--progress", "plain", "--output", "type=oci,dest=" + out}, d.flags(dir)...)
	if r := s.Minirun(append(args, dir)...); r.Status != 0 {
		lines, failure = []string{"fails: " + lastLine(plain(r.Stderr))}, r.Stderr
	} else {
		lines = shown(shelf.picture(t, out), plain)
	}
	ofMinirun.Store(d.name, picturesOf{lines, failure})
	return lines, failure
}

// shown returns lines without the addresses that differ from run to run, and with runs of one letter
// counted.
func shown(lines []string, plain func(string) string) []string {
	for i := range lines {
		lines[i] = countRuns(plain(lines[i]))
	}
	return lines
}

// countRuns replaces a long run of one letter with the letter and a number: "{x × 20000}".
func countRuns(line string) string {
	const long = 200
	var out strings.Builder
	for i := 0; i < len(line); {
		end := i + 1
		for end < len(line) && line[end] == line[i] {
			end++
		}
		if end-i > long {
			fmt.Fprintf(&out, "{%c × %d}", line[i], end-i)
		} else {
			out.WriteString(line[i:end])
		}
		i = end
	}
	return out.String()
}

func testbundleRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it unpacks layers with their owners")
	}
}

// lastLine returns an error without the lines that it quotes, and without what follows it.
func lastLine(failure string) string {
	last := ""
	for line := range strings.Lines(failure) {
		if text, ok := strings.CutPrefix(line, "minirun: "); ok {
			last = strings.TrimSpace(text)
		}
	}
	return last
}
