package build

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// A built is a build as its progress has told it, with --progress rawjson.
type built struct {
	testbundle.Result
	ran, cached []string // steps that ended well: "STAGE INSTRUCTION", sorted
	said        string   // what programs have written
}

// title is a step's name: [STAGE N/M] INSTRUCTION, or [N/M] INSTRUCTION. Stages
// without a name are left out.
var title = regexp.MustCompile(`^\[(?:stage-\d+ |(\S+) )?(?:\d+/\d+|internal)\] `)

// try builds a directory, and says which steps ran. It may fail.
func (s *store) try(dir string, flags ...string) *built {
	s.t.Helper()
	r := testbundle.Finish(s.t, s.Command(append(append([]string{"build", "--progress", "rawjson"}, flags...), dir)...))
	b := &built{Result: r}
	b.read(s.t, r.Stderr)
	return b
}

// builds builds a directory, which must succeed.
func (s *store) builds(dir string, flags ...string) *built {
	s.t.Helper()
	b := s.try(dir, flags...)
	if b.Status != 0 {
		s.t.Fatalf("build %q: status %d: %s", flags, b.Status, b.Stderr)
	}
	return b
}

// read takes events from lines, and leaves what is no event.
func (b *built) read(t testing.TB, text string) {
	t.Helper()
	names := map[int]string{}
	for line := range strings.Lines(text) {
		var e struct {
			Event, Name, Error string
			ID                 int
			Data               []byte
			Cached             bool
		}
		if line[0] != '{' || json.Unmarshal([]byte(line), &e) != nil {
			continue
		}
		switch e.Event {
		case "begin":
			names[e.ID] = strings.TrimSpace(title.ReplaceAllString(e.Name, "$1 "))
		case "output":
			b.said += string(e.Data)
		case "end":
			name := names[e.ID]
			switch {
			case strings.HasPrefix(name, "exporting") || strings.Contains(name, "FROM ") && e.Cached || e.Error != "":
			case e.Cached:
				b.cached = append(b.cached, name)
			default:
				b.ran = append(b.ran, name)
			}
		}
	}
	slices.Sort(b.ran)
	slices.Sort(b.cached)
}

// fork copies a store, which nobody uses meanwhile.
func (s *store) fork(name string) *store {
	s.t.Helper()
	out := *s
	out.dir = s.dir + "-" + name
	b := *s.Bundle
	b.Global = append(slices.Clone(s.Global[:len(s.Global)-1]), out.dir)
	out.Bundle = &b
	if text, err := exec.Command("cp", "-a", s.dir, out.dir).CombinedOutput(); err != nil {
		s.t.Fatalf("copy the store: %v: %s", err, text)
	}
	return &out
}

// shell runs a script in a directory.
func shell(t testing.TB, dir, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
