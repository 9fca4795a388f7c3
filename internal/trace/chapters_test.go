package trace

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/plan"
)

// chapterPlan returns a plan that comes back to capabilities, has files to open before it joins a
// cgroup, and changes its root without pivot_root. It has no mounts.
func chapterPlan() *plan.Plan {
	b := plan.NewBuilder(3)
	add := func(g plan.Group, source, name string, c plan.Call, args ...plan.Arg) {
		b.In(g, source)
		b.Add(plan.Op{Name: name}, c, args...)
	}
	add(plan.Identity, "", "hide", plan.Prctl, plan.Int(unix.PR_SET_DUMPABLE), plan.Int(0))
	add(plan.Limits, "linux.cgroupsPath", "open tasks", plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("tasks"),
		plan.Int(0), plan.Int(0))
	add(plan.Limits, "linux.cgroupsPath", "join", plan.Write, plan.Int(4), b.Str("0"), plan.Int(1))
	add(plan.Identity, "", "begin a session", plan.Setsid)
	add(plan.Filesystem, "root.readonly", "make it read-only", plan.MountSetattr, plan.Int(4), b.Str(""), plan.Int(0),
		b.Str(""), plan.Int(32))
	add(plan.Filesystem, "root.path", "make it the root directory", plan.Chroot, b.Str("."))
	add(plan.Identity, "process.noNewPrivileges", "set no_new_privs", plan.Prctl, plan.Int(unix.PR_SET_NO_NEW_PRIVS),
		plan.Int(1))
	add(plan.Identity, "process.user", "become uid 7", plan.Setresuid, plan.Int(7), plan.Int(7), plan.Int(7))
	add(plan.Identity, "linux.seccomp", "load the filter", plan.Seccomp, plan.Int(1), plan.Int(0), plan.Int(0))
	add(plan.Identity, "process.capabilities", "set effective", plan.Capset, b.Str(""), b.Str(""))
	b.In(plan.Exec, "process.args")
	b.Add(plan.Op{Name: "become /bin/sh", Kind: plan.Program},
		plan.Execve, b.Str("/bin/sh"), b.Strs([]string{"sh"}), b.Strs(nil))
	return b.Plan()
}

// TestChaptersFollowPlan: chapters are in the order of the plan, include the steps that prepare
// for them, and a plan may come back to one.
func TestChaptersFollowPlan(t *testing.T) {
	want := []chapter{{"start", 0, 0}, {"cgroup", 1, 3}, {"pivot", 4, 5}, {"capabilities", 6, 6}, {"identity", 7, 8},
		{"capabilities", 9, 9}, {"exec", 10, 10}}
	if got := findChapters(chapterPlan()); !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

// TestFindChapter: a chapter is found by its name if it begins after the current step. The error
// has the reason if there is none.
func TestFindChapter(t *testing.T) {
	var out bytes.Buffer
	d := &Debugger{w: &out, shownChapter: -1}
	d.Born(observer.Start{ID: "web", Plan: chapterPlan()})
	for _, c := range []struct {
		place Place
		here  int
		stop  int // the first step at which it stops
		fails string
	}{
		{Place{Text: "cgroup"}, -1, 1, ""},
		{Place{Text: "start"}, -1, 0, ""},
		{Place{Text: "start", After: true}, 0, 1, ""},
		{Place{Text: "cgroup", After: true}, 2, 4, ""},
		{Place{Text: "capabilities"}, 3, 6, ""},
		{Place{Text: "cgroup"}, 1, 0, "chapter cgroup began before step 1"},
		{Place{Text: "pivot", After: true}, 6, 0, "chapter pivot began before step 6"},
		{Place{Text: "mounts"}, 0, 0, "this plan has no chapter mounts: config.json has no mounts"},
		{Place{Text: "capabilities"}, 6, 0, "cannot stop in chapter capabilities"},
		{Place{Text: "exec"}, -1, 0, "cannot stop in chapter exec"},
		{Place{Text: "identity", After: true}, -1, 0, "cannot stop in chapter capabilities"},
	} {
		stop, err := d.parsePlace(c.place, c.here)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%+v at step %d: %v, want %q", c.place, c.here, err, c.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v at step %d: %v", c.place, c.here, err)
			continue
		}
		next := max(c.here, 0)
		for !stop(next) {
			next++
		}
		if next != c.stop {
			t.Errorf("%+v at step %d stops at step %d, want %d", c.place, c.here, next, c.stop)
		}
	}
	if d.nextChapter(7) || !strings.Contains(out.String(), "seccomp filter") {
		t.Errorf("it runs on to a chapter in which it cannot stop: %s", out.String())
	}
}

// TestChapterList: the list marks the current chapter, and names those that the plan lacks.
func TestChapterList(t *testing.T) {
	var out bytes.Buffer
	d := &Debugger{w: &out, shownChapter: -1}
	d.Born(observer.Start{ID: "web", Plan: chapterPlan()})
	d.listChapters(5)
	for _, want := range []string{"  start ", "→ pivot ", "4–5 ", "mounts              -  not here:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in:\n%s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)); n > 101 {
			t.Errorf("a line of %d columns: %s", n-1, line)
		}
	}
}

// TestHelpNamesChapters: every chapter that a plan may have is in the help of step.
func TestHelpNamesChapters(t *testing.T) {
	for _, c := range chapterNames[1:] {
		if !strings.Contains(help, c.name) {
			t.Errorf("the help does not name chapter %s", c.name)
		}
	}
}
