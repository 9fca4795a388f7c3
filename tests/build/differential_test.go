package build

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDifferential builds random Dockerfiles with minirun and BuildKit: both fail, or
// files, configuration, layers and history are the same, except for the differences
// that differences-random.txt declares. A case that differs is minimised and printed
// as the corpus has it. MINIRUN_SEED is the first case's, MINIRUN_BUILDS how many there
// are; README.md says how to run BuildKit.
func TestDifferential(t *testing.T) {
	buildctl, address := os.Getenv("MINIRUN_BUILDCTL"), os.Getenv("MINIRUN_BUILDKITD")
	if buildctl == "" || address == "" {
		t.Skip("MINIRUN_BUILDCTL and MINIRUN_BUILDKITD are not set: the family random of the corpus is a sample")
	}
	testbundleRoot(t)
	seed := rand.Uint64N(1_000_000_000)
	if text := os.Getenv("MINIRUN_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	both := &pair{
		store: newStore(t), shelf: newShelf(t), reference: &buildkit{buildctl, address, layouts(t), newShelf(t)},
		known: declared(t, "differences-random.txt"),
	}
	failed := 0
	for n := range uint64(builds(t)) {
		name := "random-" + strconv.FormatUint(seed+n, 10)
		t.Run(name, func(t *testing.T) {
			c := generate(name, seed+n)
			lines, bothFail := both.differences(t, c)
			if bothFail {
				failed++
			}
			if len(lines) == 0 {
				return
			}
			c = minimise(c, func(smaller *generated) bool {
				lines, _ := both.differences(t, smaller)
				return len(lines) > 0
			})
			lines, _ = both.differences(t, c)
			const most = 20
			t.Errorf("%d lines differ:\n%s\n%s", len(lines), strings.Join(lines[:min(most, len(lines))], "\n"), c)
		})
	}
	t.Logf("%d of %d builds failed with both", failed, builds(t))
	if failed > builds(t)/2 {
		t.Error("most builds fail: this shows little")
	}
}

// A pair is the two builders.
type pair struct {
	store     *store
	shelf     *shelf
	reference *buildkit
	known     *declarations
}

// differences builds a case with both, and returns the lines that are not declared.
// A build without a cache is compared: what is found by content keeps other times.
func (p *pair) differences(t *testing.T, c *generated) (lines []string, bothFail bool) {
	t.Helper()
	d := c.dockerfile()
	d.args = append(d.args, "--no-cache")
	got, _ := minirunBuilds(t, p.store, p.shelf, d)
	ofMinirun.Delete(d.name) // a smaller case has the same name
	want, _ := p.reference.build(t, d)
	for _, line := range diff(withoutTimes(got), withoutTimes(want)) {
		if !p.known.has(d.name, line) {
			lines = append(lines, line)
		}
	}
	return lines, failed(got) && failed(want)
}

// directoryTime is the end of a line that describes a directory.
var directoryTime = regexp.MustCompile(`^(\S+ 4\d+ \d+:\d+) 20\d\d-\d\d-\d\d`)

// withoutTimes returns a picture without the times of directories: BuildKit leaves a
// directory of which nothing but the time has changed out of a layer.
func withoutTimes(picture []string) []string {
	out := slices.Clone(picture)
	for i := range out {
		out[i] = directoryTime.ReplaceAllString(out[i], "$1")
	}
	return out
}

// generated is a random case in parts that can be left out one by one.
type generated struct {
	name    string
	context []string // commands that make its files
	ignore  []string // lines of .dockerignore
	lines   []string // instructions
	args    []string
}

func (c *generated) dockerfile() *dockerfile {
	d := &dockerfile{name: c.name, args: slices.Clone(c.args), files: map[string]string{"Dockerfile": strings.Join(c.lines, "\n") + "\n"}}
	if len(c.context) > 0 {
		d.script = "set +e\n" // a name may be another kind of file already
	}
	for _, command := range c.context {
		d.script += command + "\n"
	}
	if len(c.ignore) > 0 {
		d.files[".dockerignore"] = strings.Join(c.ignore, "\n") + "\n"
	}
	return d
}

// String shows it as the corpus has it.
func (c *generated) String() string {
	d := c.dockerfile()
	out := "=== " + d.name
	if len(d.args) > 0 {
		out += " args: " + strings.Join(d.args, " ")
	}
	out += "\n" + d.files["Dockerfile"]
	if len(c.ignore) > 0 {
		out += "--- .dockerignore\n" + d.files[".dockerignore"]
	}
	if d.script != "" {
		out += "--- sh\n" + d.script
	}
	return out
}

// minimise leaves out parts while the case still differs, halves first.
func minimise(c *generated, differs func(*generated) bool) *generated {
	for changed := true; changed; {
		changed = false
		for _, list := range []func(*generated) *[]string{
			func(c *generated) *[]string { return &c.lines }, func(c *generated) *[]string { return &c.context },
			func(c *generated) *[]string { return &c.ignore }, func(c *generated) *[]string { return &c.args },
		} {
			for size := (len(*list(c)) + 1) / 2; size > 0; size /= 2 {
				for at := 0; at < len(*list(c)); {
					smaller := *c
					part := list(&smaller)
					*part = slices.Delete(slices.Clone(*part), at, min(at+size, len(*part)))
					if differs(&smaller) {
						*c, changed = smaller, true
					} else {
						at += size
					}
				}
			}
		}
	}
	return c
}

// TestMinimise: what is left cannot be made smaller, and each part has been tried.
func TestMinimise(t *testing.T) {
	c := &generated{lines: strings.Fields("a b c d e"), context: strings.Fields("f g h"), ignore: strings.Fields("i"), args: strings.Fields("j k")}
	got := minimise(c, func(c *generated) bool {
		return slices.Contains(c.lines, "b") && slices.Contains(c.lines, "e") && slices.Contains(c.args, "k")
	})
	if text := fmt.Sprint(got.lines, got.context, got.ignore, got.args); text != "[b e] [] [] [k]" {
		t.Error(text)
	}
}

// TestGenerate prints cases for the family random of the corpus, MINIRUN_BUILDS
// from MINIRUN_SEED on.
func TestGenerate(t *testing.T) {
	seed, _ := strconv.ParseUint(os.Getenv("MINIRUN_SEED"), 10, 64)
	for n := range uint64(builds(t)) {
		c := generate(fmt.Sprint("random-", seed+n), seed+n)
		if again := generate(c.name, seed+n); again.String() != c.String() {
			t.Fatalf("the same seed gives\n%s\nand\n%s", c, again)
		}
		t.Log(c)
	}
}
