package trace

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/plan"
)

// richPlan returns a plan of several parts, with a branch that only runs after an error.
func richPlan() *container.RunPlan {
	b := plan.NewBuilder(3)
	b.In(plan.Filesystem, "mounts[0]")
	mounted := b.Label()
	b.Add(plan.Op{Name: "mount proc on /proc", Then: plan.Then{Next: mounted, On: []plan.On{{Errno: unix.EPERM}}}},
		plan.Mount, b.Str("proc"), b.Str("."), b.Str("proc"), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "bind the host's /proc"},
		plan.Mount, b.Str("/proc"), b.Str("."), plan.Int(0), plan.Int(unix.MS_BIND), plan.Int(0))
	b.Place(mounted)
	b.In(plan.Filesystem, "linux.maskedPaths[0]")
	b.Add(plan.Op{Name: "cover /proc/keys"},
		plan.MoveMount, plan.Int(4), b.Str(""), plan.Int(5), b.Str(""), plan.Int(0))
	b.In(plan.Identity, "process.capabilities.bounding")
	for n := range 4 {
		b.Add(plan.Op{Name: "drop a"}, plan.Prctl, plan.Int(unix.PR_CAPBSET_DROP), plan.Int(n))
	}
	b.In(plan.Exec, "process.args")
	b.Add(plan.Op{Name: "become /bin/sh", Kind: plan.Program},
		plan.Execve, b.Str("/bin/sh"), b.Strs([]string{"sh", "-x"}), b.Strs(nil))
	return &container.RunPlan{
		Start:  observer.Start{ID: "web", Plan: b.Plan(), Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID},
		Bundle: "/b", Dirs: []string{"/sys/fs/cgroup/web"}, Assumptions: []string{"a kernel"},
	}
}

func written(t *testing.T, o PlanOptions) string {
	t.Helper()
	var out bytes.Buffer
	if err := WritePlan(&out, richPlan(), o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestPlanSummary: each part is a line with the number of its steps and what they do if none fails.
func TestPlanSummary(t *testing.T) {
	want := `# assumes a kernel
PART          STEPS  WHAT IT DOES
cgroup            -  create 1 directory, write 0 values
process           -  create the process in new namespaces: mount, pid
mounts            2  mount proc on /proc
paths             1  cover /proc/keys
capabilities      4  drop 4 capabilities
program           1  execute ["sh", "-x"]
sync              -  exchange messages with minirun; end if it has exited
all               8  show a part with --only PART
`
	if got := written(t, PlanOptions{Format: "text", Summary: true}); got != want {
		t.Errorf("the summary is\n%s\nwant\n%s", got, want)
	}
	var document struct {
		Steps int
		Parts []planPart
	}
	err := json.Unmarshal([]byte(written(t, PlanOptions{Format: "json", Summary: true})), &document)
	if err != nil || document.Steps != 8 || len(document.Parts) != 7 || document.Parts[3].Does != "cover /proc/keys" {
		t.Errorf("JSON: %v, %+v", err, document)
	}
}

// TestPlanOnly: a part or a group selects steps, which keep their numbers.
func TestPlanOnly(t *testing.T) {
	for _, c := range []struct {
		only    string
		want    []string
		without []string
	}{
		{"paths", []string{"   2  cover /proc/keys", "# assumes a kernel"}, []string{"mount proc", "clone(", "mkdir("}},
		{"filesystem", []string{"   0  mount proc", "   2  cover"}, []string{"drop", "clone("}},
		{"process", []string{"clone("}, []string{"mkdir(", "mount proc"}},
		{"cgroup", []string{"mkdir("}, []string{"clone(", "mount proc"}},
		{"hooks", nil, []string{"clone(", "mkdir(", "mount proc"}},
		{"identity", []string{"drop a"}, []string{"mount proc"}},
	} {
		for _, format := range []string{"text", "md", "json"} {
			got := written(t, PlanOptions{Format: format, Only: c.only})
			for _, text := range c.want {
				if format == "text" && !strings.Contains(got, text) {
					t.Errorf("--only %s: no %q in\n%s", c.only, text, got)
				}
			}
			for _, text := range c.without {
				if strings.Contains(got, text) {
					t.Errorf("--only %s as %s: %q in\n%s", c.only, format, text, got)
				}
			}
		}
	}
}

// TestPlanOptionsAreChecked: a wrong part lists the parts, and no option is ignored.
func TestPlanOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		options PlanOptions
		want    string
	}{
		{PlanOptions{Format: "xml"}, "must be text, json or md"},
		{PlanOptions{Format: "text", Only: "mount"}, "hint: choose one of cgroup, process,"},
		{PlanOptions{Format: "md", Summary: true}, "--format md"},
		{PlanOptions{Format: "text", Summary: true, Only: "paths"}, "--only"},
	} {
		if err := c.options.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.options, err, c.want)
		}
	}
}
