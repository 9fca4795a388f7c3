package trace

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/plan"
)

// testPlan returns a plan with steps of several groups, as a container's has.
func testPlan() *plan.Plan {
	b := plan.NewBuilder(3)
	b.In(plan.Namespaces, "hostname")
	b.Add(plan.Op{Name: "set the host name to web"}, plan.Sethostname, b.Str("web"), plan.Int(3))
	b.In(plan.Filesystem, "mounts[2]")
	made := plan.Fine(unix.EEXIST)
	b.Add(plan.Op{Name: "make directory /proc", Then: made}, plan.Mkdirat, plan.Int(4), b.Str("proc"), plan.Int(0o755))
	b.Add(plan.Op{Name: "mount proc on /proc", Why: "programs expect it"},
		plan.Mount, b.Str("proc"), b.Str("."), b.Str("proc"), plan.Int(0), plan.Int(0))
	b.In(plan.Filesystem, "mounts[20]")
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Int(4))
	b.In(plan.Exec, "process.args")
	missing := b.Label()
	b.Add(plan.Op{
		Name: "become /bin/sh",
		Kind: plan.Program,
		Then: plan.Then{On: []plan.On{{Errno: unix.EACCES, To: missing}}},
	}, plan.Execve, b.Str("/bin/sh"), b.Strs([]string{"sh"}), b.Strs(nil))
	b.Add(plan.Op{Name: "exit"}, plan.ExitGroup, plan.Int(1))
	b.Place(missing)
	b.Add(plan.Op{Name: "exit: no program"}, plan.ExitGroup, plan.Int(127))
	return b.Plan()
}

func TestResultText(t *testing.T) {
	p := testPlan()
	for _, c := range []struct {
		step   int
		result int64
		want   string
	}{
		{0, 0, "0"},
		{0, 42, "42"},
		{0, -4096, "-4096"}, // not an errno
		{0, -int64(unix.EPERM), "-1 EPERM (operation not permitted)"},
		{1, -int64(unix.EEXIST), "-1 EEXIST (file exists), which is expected"},
		{4, -int64(unix.EACCES), "-1 EACCES (permission denied), so the plan continues at step 6"},
	} {
		if got := resultText(p, c.step, c.result); got != c.want {
			t.Errorf("step %d, result %d: %q, want %q", c.step, c.result, got, c.want)
		}
	}
}

func TestMinorSteps(t *testing.T) {
	arg := func(n int) []plan.Arg { return []plan.Arg{plan.Int(n)} }
	for _, c := range []struct {
		step plan.Step
		want bool
	}{
		{plan.Step{Call: plan.Mount}, false},
		{plan.Step{Call: plan.Sethostname}, false},
		{plan.Step{Call: plan.Close}, true},
		{plan.Step{Call: plan.Openat2}, true},
		{plan.Step{Call: plan.Prctl, Args: arg(unix.PR_SET_NO_NEW_PRIVS)}, false},
		{plan.Step{Call: plan.Prctl, Args: arg(unix.PR_CAPBSET_DROP)}, false},
		{plan.Step{Call: plan.Prctl, Args: arg(unix.PR_SET_NAME)}, true},
		{plan.Step{Call: plan.MountSetattr, Source: "root.readonly"}, false},
		{plan.Step{Call: plan.MountSetattr, Source: "linux.readonlyPaths[3]"}, false},
		{plan.Step{Call: plan.MountSetattr, Source: "mounts[1]"}, true},
		{plan.Step{Call: plan.Write, Group: plan.Sync}, true},
		{plan.Step{Call: plan.Write, Group: plan.Limits}, false},
		{plan.Step{Call: plan.Write, Group: plan.Namespaces, Args: arg(3)}, true}, // a message to minirun
		{plan.Step{Call: plan.Write, Group: plan.Namespaces, Args: []plan.Arg{plan.Of(64)}}, false},
		{plan.Step{Call: plan.Read}, true},
	} {
		if got := isMinor(&c.step); got != c.want {
			t.Errorf("%s of %q: minor is %t, want %t", c.step.Call.Name(), c.step.Source, got, c.want)
		}
	}
}

func TestFormatHelpers(t *testing.T) {
	if got := requester(""); got != "minirun" {
		t.Errorf("a step without a source: %q", got)
	}
	if got := requester("hostname"); got != "config.json: hostname" {
		t.Errorf("a step of config.json: %q", got)
	}
	if got := truncate("äöü", 3); got != "äöü" {
		t.Errorf("3 of 3 characters: %q", got)
	}
	if got := truncate("äöüß", 3); got != "äöü…" {
		t.Errorf("3 of 4 characters: %q", got)
	}
	if got := indent("a\nb\n", 2); got != "  a\n  b" {
		t.Errorf("indented: %q", got)
	}
	if got := newStyle(&bytes.Buffer{}); got != (style{}) {
		t.Errorf("a writer that is not a terminal has colors: %+v", got)
	}
}

// stops returns the steps before which a debugger stops for a place.
func stops(t *testing.T, p Place) []int {
	t.Helper()
	d := &Debugger{plan: testPlan()}
	stop, err := d.parsePlace(p, -1)
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for i := range d.plan.Steps {
		if stop(i) {
			out = append(out, i)
		}
	}
	return out
}

// TestPlaces: a place is a number, a call, a group, a JSON path or a part of a name.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		place Place
		want  string
	}{
		{Place{Text: "2"}, "2"},
		{Place{Text: "2", After: true}, "3456"},
		{Place{Text: "mkdirat"}, "1"},
		{Place{Text: "filesystem"}, "123"},
		{Place{Text: "filesystem", After: true}, "456"},
		{Place{Text: "mounts[2]"}, "12"}, // not mounts[20]
		{Place{Text: "process"}, "456"},
		{Place{Text: "mount proc"}, "2"},
	} {
		var got strings.Builder
		for _, i := range stops(t, c.place) {
			got.WriteByte(byte('0' + i))
		}
		if got.String() != c.want {
			t.Errorf("%+v stops before steps %s, want %s", c.place, got.String(), c.want)
		}
	}
	d := &Debugger{plan: testPlan()}
	for _, text := range []string{"7", "no such step", "mounts[1]"} {
		if _, err := d.parsePlace(Place{Text: text}, -1); err == nil {
			t.Errorf("%q is a place", text)
		}
	}
}

// TestRunSteps: "next N" stops after N steps, and refuses anything else.
func TestRunSteps(t *testing.T) {
	var out bytes.Buffer
	d := &Debugger{w: &out, plan: testPlan()}
	for count, want := range map[string]int{"": 1, "1": 1, "3": 3} {
		if !d.runSteps(count) {
			t.Fatalf("next %q is refused", count)
		}
		steps := 1
		for !d.stop(steps) {
			steps++
		}
		if steps != want {
			t.Errorf("next %q stops after %d steps, want %d", count, steps, want)
		}
	}
	d.stop = nil
	for _, count := range []string{"0", "-1", "x"} {
		if d.runSteps(count) || d.stop != nil {
			t.Errorf("next %q is accepted", count)
		}
	}
}

// TestSpans: a step lasts until the next one that ran, whatever their order in the plan; a step
// without a time did not run; actions of minirun are in between.
func TestSpans(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	tr := &Tracer{
		begin: begin, id: "web", plan: testPlan(),
		did: []observer.Action{
			{What: "create the process", Begin: at(1)},
			{What: "the program exited with status 0", Kind: observer.ProgramExited, Begin: at(50)},
		},
		ends:  []time.Time{at(9), at(90)},
		times: []time.Time{at(10), at(30), at(20), {}, at(33)},
	}
	type short struct {
		step          int
		group         string
		begin, length float64
	}
	want := []short{
		{-1, "minirun", 1000, 8000},
		{0, "namespaces", 10000, 10000},
		{2, "filesystem", 20000, 10000},
		{1, "filesystem", 30000, 3000},
		{-1, "program", 50000, 40000},
	}
	spans := tr.Spans()
	if len(spans) != len(want) {
		t.Fatalf("%d spans, want %d: %+v", len(spans), len(want), spans)
	}
	for i, s := range spans {
		if got := (short{s.Step, s.Group, s.Begin, s.Length}); got != want[i] {
			t.Errorf("span %d: %+v, want %+v", i, got, want[i])
		}
	}
	table := tr.slowest(2)
	if !strings.Contains(table, "3 steps took 23000 µs, the rest of minirun's work 8000 µs") {
		t.Errorf("the sums are wrong:\n%s", table)
	}
	if lines := strings.Split(strings.TrimSpace(table), "\n"); len(lines) != 5 ||
		!strings.Contains(lines[3], "10000.0") ||
		strings.Contains(table, "exited") {
		t.Errorf("the table must have the two slowest parts, without the program:\n%s", table)
	}
}

// TestTracerFormat: the extension of the file selects the format.
func TestTracerFormat(t *testing.T) {
	for _, name := range []string{"a.json", "b.html", "c.d.txt"} {
		if _, err := NewTracer(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"a", "a.xml", "json"} {
		if _, err := NewTracer(name); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func planned(bundle, hostname string) *container.RunPlan {
	b := plan.NewBuilder(3)
	b.In(plan.Filesystem, "root.path")
	b.Add(plan.Op{Name: "go to the root file system"}, plan.Chdir, b.Str(bundle+"/rootfs"))
	b.In(plan.Namespaces, "hostname")
	b.Add(plan.Op{Name: "set the host name"}, plan.Sethostname, b.Str(hostname), plan.Int(len(hostname)))
	b.Add(plan.Op{Name: "exit"}, plan.ExitGroup, plan.Int(0))
	return &container.RunPlan{Start: observer.Start{ID: "web", Plan: b.Plan()}, Bundle: bundle}
}

// TestDiffPlans: where the bundles are makes no difference, what config.json requests does.
func TestDiffPlans(t *testing.T) {
	var out bytes.Buffer
	different, err := DiffPlans(&out, planned("/a", "web"), planned("/b", "web"))
	if err != nil || different || out.Len() > 0 {
		t.Errorf("equal bundles in two places: %t, %v\n%s", different, err, out.String())
	}
	different, err = DiffPlans(&out, planned("/a", "web"), planned("/a", "db"))
	if err != nil || !different {
		t.Fatalf("two host names: %t, %v", different, err)
	}
	want := []string{"# config.json: hostname", `- set the host name                  sethostname("web", 3)`,
		`+ set the host name                  sethostname("db", 2)`}
	if got := strings.Split(strings.TrimSpace(out.String()), "\n"); strings.Join(got, "\n") != strings.Join(want,
		"\n") {
		t.Errorf("the difference is\n%s\nwant\n%s", out.String(), strings.Join(want, "\n"))
	}
}

func TestWritePlanFormats(t *testing.T) {
	for format, want := range map[string]string{"text": "# minirun\n", "json": `"id": "web"`,
		"md": "# The plan of web\n"} {
		var out bytes.Buffer
		if err := WritePlan(&out, planned("/a", "web"), PlanOptions{Format: format}); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, no %q in\n%s", format, err, want, out.String())
		}
	}
	if err := WritePlan(&bytes.Buffer{}, planned("/a", "web"), PlanOptions{Format: "yaml"}); err == nil {
		t.Error("yaml is a format")
	}
}
