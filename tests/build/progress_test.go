package build

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/tests/testbundle"
)

// A built is a build as reported by its progress, with --progress rawjson.
type built struct {
	testbundle.Result
	ran, cached []string // steps that succeeded: "STAGE INSTRUCTION", sorted
	said        string   // output of programs
}

// title matches a step's name: [STAGE N/M] INSTRUCTION, or [N/M] INSTRUCTION. Stages without a name
// are omitted.
var title = regexp.MustCompile(`^\[(?:stage-\d+ |(\S+) )?(?:\d+/\d+|internal)\] `)

// looksUp matches steps that build nothing: they read the Dockerfile or resolve images.
var looksUp = regexp.MustCompile(`^\[internal\] load (build definition|metadata|\.dockerignore|remote)`)

// try builds a directory, and returns which steps ran. The build may fail.
func (s *store) try(dir string, flags ...string) *built {
	s.T.Helper()
	r := testbundle.Finish(s.T, s.Command(append(append([]string{"build", "--progress", "rawjson"}, flags...), dir)...))
	b := &built{Result: r}
	b.read(s.T, r.Stderr)
	return b
}

// builds builds a directory, which must succeed.
func (s *store) builds(dir string, flags ...string) *built {
	s.T.Helper()
	b := s.try(dir, flags...)
	if b.Status != 0 {
		s.T.Fatalf("build %q: status %d: %s", flags, b.Status, b.Stderr)
	}
	return b
}

// A solveStatus is a line of --progress rawjson: BuildKit's client.SolveStatus, as defined in its
// package client. Any other field is not BuildKit's.
type solveStatus struct {
	Vertexes []struct {
		Digest    digest.Digest
		Inputs    []digest.Digest
		Name      string
		Started   *time.Time
		Completed *time.Time
		Cached    bool
		Error     string
	}
	Statuses []struct {
		ID             string
		Vertex         digest.Digest
		Name           string
		Total, Current int64
		Timestamp      time.Time
		Started        *time.Time
		Completed      *time.Time
	}
	Logs []struct {
		Vertex    digest.Digest
		Stream    int
		Data      []byte
		Timestamp time.Time
	}
	Warnings []struct {
		Vertex     digest.Digest
		Level      int
		Short      []byte
		Detail     [][]byte
		URL        string
		SourceInfo struct {
			Filename, Language string
			Data               []byte
		}
		Range []struct {
			Start, End struct{ Line, Character int }
		}
	}
}

// statuses decodes the lines that are objects.
func statuses(t testing.TB, text string) (out []solveStatus) {
	t.Helper()
	for line := range strings.Lines(text) {
		if line[0] != '{' || !strings.HasSuffix(line, "}\n") { // a build that was killed may leave half a line
			continue
		}
		var s solveStatus
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&s); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		out = append(out, s)
	}
	return out
}

// read extracts the steps from the lines that are objects.
func (b *built) read(t testing.TB, text string) {
	t.Helper()
	for _, s := range statuses(t, text) {
		for _, l := range s.Logs {
			b.said += string(l.Data)
		}
		for _, v := range s.Vertexes {
			name := strings.TrimSpace(title.ReplaceAllString(v.Name, "$1 "))
			switch {
			case v.Completed == nil || v.Error != "" || looksUp.MatchString(v.Name):
			case strings.HasPrefix(name, "exporting") || strings.Contains(name, "FROM ") && v.Cached:
			case v.Cached:
				b.cached = append(b.cached, name)
			default:
				b.ran = append(b.ran, name)
			}
		}
	}
	slices.Sort(b.ran)
	slices.Sort(b.cached)
}

// TestProgressRawJSON: there is a line for each event, in BuildKit's format. Times are in order, and
// each vertex that starts is completed.
func TestProgressRawJSON(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base AS a\nRUN printf 'b\\377'\nFROM a\nRUN echo out; false\nMAINTAINER x\n"}, "")
	b := s.try(dir)
	if b.Status == 0 || b.said != "b\xffout\n" {
		t.Errorf("status %d, output %q", b.Status, b.said)
	}
	inputs := map[string][]string{} // names, by name
	started, completed, failed := map[digest.Digest]string{}, map[digest.Digest]bool{}, ""
	warnings := 0
	for _, s := range statuses(t, b.Stderr) {
		for _, v := range s.Vertexes {
			if v.Digest.Validate() != nil || v.Started == nil {
				t.Errorf("the vertex %+v", v)
			}
			started[v.Digest] = v.Name
			inputs[v.Name] = nil
			for _, in := range v.Inputs {
				inputs[v.Name] = append(inputs[v.Name], started[in])
			}
			if v.Completed != nil {
				if completed[v.Digest] = true; v.Completed.Before(*v.Started) {
					t.Errorf("%s ends before it starts", v.Name)
				}
			}
			if v.Error != "" {
				failed = v.Name
			}
		}
		for _, l := range s.Logs {
			if !strings.Contains(started[l.Vertex], "RUN") || l.Stream != 1 || l.Timestamp.IsZero() {
				t.Errorf("the output %+v of %q", l, started[l.Vertex])
			}
		}
		for _, w := range s.Warnings {
			warnings++
			if string(w.Short) != "MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label (line 5)" || w.Range[0].Start.Line != 5 ||
				started[w.Vertex] != "[internal] load build definition from Dockerfile" || !strings.HasPrefix(string(w.SourceInfo.Data), "FROM base") {
				t.Errorf("the warning %+v", w)
			}
		}
	}
	if of := inputs["[stage-1 2/2] RUN echo out; false"]; len(of) != 1 || !strings.HasPrefix(of[0], "[a 2/2] RUN printf") {
		t.Errorf("the last step depends on %q", of)
	}
	if len(started) != len(completed) || warnings != 1 || failed != "[stage-1 2/2] RUN echo out; false" {
		t.Errorf("%d vertices started, %d are complete; %d warnings; %q failed", len(started), len(completed), warnings, failed)
	}
}

// fork copies a store, which must not be in use.
func (s *store) fork(name string) *store {
	s.T.Helper()
	inner, bundle := *s.Store, *s.Bundle
	out := &store{&inner}
	out.StoreDir = s.StoreDir + "-" + name
	bundle.Global = append(slices.Clone(s.Global[:len(s.Global)-1]), out.StoreDir)
	out.Bundle = &bundle
	copyTree(s.T, s.StoreDir, out.StoreDir)
	return out
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
