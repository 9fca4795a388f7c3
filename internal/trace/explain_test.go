package trace

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/plan"
)

// TestReadBack: a value that the kernel stored as written is marked, another one is not.
func TestReadBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.max")
	for _, c := range []struct {
		stored, wrote string
		unit          uint64
		good          bool
	}{
		{"4096\n", "4096", 0, true},
		{"a  b\n", "a b", 0, true},
		{"8:0 rbps=1 wbps=max\n", "8:0 rbps=1", 0, true},
		{"8192\n", "4096", 0, false},
		{"4096\n", "4100", 4096, true}, // rounded down
	} {
		if err := os.WriteFile(file, []byte(c.stored), 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		e := NewExplainer(&out, Normal)
		e.style = style{good: "<good>", off: "<off>"}
		e.readBack(observer.Written{File: file, Value: c.wrote, Unit: c.unit})
		if good := strings.Contains(out.String(), "<good>"); good != c.good {
			t.Errorf("wrote %q, stored %q: marked as good is %t\n%s", c.wrote, c.stored, good, out.String())
		}
	}
}

// narrate returns the narration of a plan whose steps all succeed.
func narrate(t *testing.T, p *plan.Plan, level Level) string {
	t.Helper()
	var out bytes.Buffer
	e := NewExplainer(&out, level)
	e.plan = p
	for i := range p.Steps {
		result := int64(0)
		if p.Steps[i].Call == plan.Write {
			result = 1
		}
		if err := e.Stopped(observer.Stop{Pid: 0, Last: i, Next: i + 1, Result: result}); err != nil {
			t.Fatal(err)
		}
	}
	e.Did(observer.Action{Kind: observer.ProgramStarted, What: "the program runs", Source: "process.args"})
	return out.String()
}

// TestExplainerLevels: steps that differ in one number are one line at each level, the important steps
// are in the second, and each part of the plan is a line in the first.
func TestExplainerLevels(t *testing.T) {
	b := plan.NewBuilder(3)
	b.In(plan.Limits, "linux.cgroupsPath")
	b.Add(plan.Op{Name: "join memory"}, plan.Write, plan.Int(5), b.Str("0"), plan.Int(1))
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Int(5))
	b.Add(plan.Op{Name: "join cpu"}, plan.Write, plan.Int(6), b.Str("0"), plan.Int(1))
	b.In(plan.Identity, "process.capabilities.bounding")
	for n := range 4 {
		b.Add(plan.Op{Name: "drop CAP_" + string(rune('A'+n))}, plan.Prctl, plan.Int(unix.PR_CAPBSET_DROP), plan.Int(n))
	}
	b.In(plan.Exec, "")
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Int(6))
	b.Add(plan.Op{Name: "exit"}, plan.ExitGroup, plan.Int(0))
	p := b.Plan()
	for level, want := range map[Level]string{
		Short: `  limits          3 steps  join 2 cgroups
  identity        4 steps  drop 4 capabilities
  program         2 steps  exit
  minirun       the program runs
`,
		Normal: `config.json: linux.cgroupsPath
  init   2 join 2 cgroups: 2 × write(…) = 1
config.json: process.capabilities.bounding
  init   6 drop 4 capabilities: 4 × prctl(PR_CAPBSET_DROP, …) = 0
           /proc/0/status contains CapBnd: none
minirun
  init   8 exit: exit_group(0) = 0
config.json: process.args
  minirun  the program runs
`,
		Full: `config.json: linux.cgroupsPath
  init   0 join memory: write(5, "0", 1) = 1
  init   1 close: close(5) = 0
  init   2 join cpu: write(6, "0", 1) = 1
config.json: process.capabilities.bounding
  init   6 drop CAP_A, CAP_B, CAP_C, CAP_D: 4 × prctl(PR_CAPBSET_DROP, …) = 0
           /proc/0/status contains CapBnd: none
minirun
  init   7 close: close(6) = 0
  init   8 exit: exit_group(0) = 0
config.json: process.args
  minirun  the program runs
`,
	} {
		if got := narrate(t, p, level); got != want {
			t.Errorf("level %d: the narration is\n%s\nwant\n%s", level, got, want)
		}
	}
}

// TestExplainerRepeatsNothing: a fact and a command are shown again only if they have changed.
func TestExplainerRepeatsNothing(t *testing.T) {
	var out bytes.Buffer
	e := NewExplainer(&out, Full)
	self := os.Getpid()
	for range 3 {
		e.reportStatus(self, "NoNewPrivs")
		e.see("cat /proc/self/mountinfo")
	}
	for _, text := range []string{"NoNewPrivs", "mountinfo"} {
		if n := strings.Count(out.String(), text); n != 1 {
			t.Errorf("%s is shown %d times:\n%s", text, n, out.String())
		}
	}
	e.shown["NoNewPrivs"] = "another value"
	e.reportStatus(self, "NoNewPrivs")
	if n := strings.Count(out.String(), "NoNewPrivs"); n != 2 {
		t.Errorf("the changed value is shown %d times", n-1)
	}
}

// TestTracerChecksTheFile: the file is written at the end, so a name that cannot be written is refused
// before anything runs.
func TestTracerChecksTheFile(t *testing.T) {
	dir := t.TempDir()
	for file, want := range map[string]string{
		"/no/such/x.html":       "hint: mkdir -p /no/such",
		filepath.Join(dir, "x"): "must end in .json",
		"/proc/version/x.txt":   "cannot write to directory /proc/version",
	} {
		if _, err := NewTracer(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
	if _, err := NewTracer(filepath.Join(dir, "x.html")); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("a file was created: %v, %v", entries, err)
	}
}

func TestParseLevel(t *testing.T) {
	for name, want := range map[string]Level{"short": Short, "normal": Normal, "full": Full} {
		if got, err := ParseLevel(name); err != nil || got != want {
			t.Errorf("%s is %d, %v", name, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("an unknown level is accepted")
	}
}
