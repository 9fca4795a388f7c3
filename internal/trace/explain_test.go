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
		e := &Explainer{w: &out, style: style{good: "<good>", off: "<off>"}}
		e.readBack(observer.Written{File: file, Value: c.wrote, Unit: c.unit})
		if good := strings.Contains(out.String(), "<good>"); good != c.good {
			t.Errorf("wrote %q, stored %q: marked as good is %t\n%s", c.wrote, c.stored, good, out.String())
		}
	}
}

// TestExplainerSummary: dropped capabilities and joined cgroups are counted until another step, and
// minor steps are left out.
func TestExplainerSummary(t *testing.T) {
	b := plan.NewBuilder(3)
	b.In(plan.Limits, "linux.cgroupsPath")
	b.Add(plan.Op{Name: "join memory"}, plan.Write, plan.Int(5), b.Str("0"), plan.Int(1))
	b.Add(plan.Op{Name: "join cpu"}, plan.Write, plan.Int(6), b.Str("0"), plan.Int(1))
	b.In(plan.Identity, "process.capabilities.bounding")
	for n := range 3 {
		b.Add(plan.Op{Name: "drop"}, plan.Prctl, plan.Int(unix.PR_CAPBSET_DROP), plan.Int(n))
	}
	b.In(plan.Exec, "")
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Int(5))
	b.Add(plan.Op{Name: "exit"}, plan.ExitGroup, plan.Int(0))
	var out bytes.Buffer
	e := NewExplainer(&out, false)
	e.plan = b.Plan()
	for i := range 6 {
		result := int64(0)
		if e.plan.Steps[i].Call == plan.Write {
			result = 1
		}
		if err := e.Stopped(observer.Stop{Pid: 0, Last: i, Next: i + 1, Result: result}); err != nil {
			t.Fatal(err)
		}
	}
	e.Did(observer.Action{Kind: observer.ProgramStarted, What: "the program runs", Source: "process.args"})
	want := `config.json: linux.cgroupsPath
  init     join 2 cgroups: write(tasks, "0", 1) = 1
config.json: process.capabilities.bounding
  init     drop 3 capabilities permanently: prctl(PR_CAPBSET_DROP, …) = 0
config.json: process.args
  minirun  the program runs
`
	if out.String() != want {
		t.Errorf("the narration is\n%s\nwant\n%s", out.String(), want)
	}
}
