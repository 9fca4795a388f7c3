package trace

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// This file divides a plan into chapters for `step`: runs of steps about one subject, in the
// order in which they run. They are coarser than parts. A plan that comes back to a subject
// has that chapter twice, and one without a subject does not have its chapter.

// A chapter is a run of steps about one subject.
type chapter struct {
	name  string
	first int // index of its first step
	last  int // index of its last step
}

// chapterNames lists all chapters with what they are about, in the order of a typical plan.
var chapterNames = [...]struct{ name, about, without string }{
	{"start", "the new process opens what it cannot reach later, and hides from others", ""},
	{"cgroup", "join the cgroups, which count and limit memory, CPU and processes",
		"clone creates the process in its cgroup, or there is no cgroup"},
	{"namespaces", "create, join or set up the namespaces: its own view of the system",
		"clone creates all namespaces, and none of them needs to be set up"},
	{"mounts", "build the root file system: mounts, devices, masked and read-only paths",
		"config.json has no mounts"},
	{"pivot", "make the new root the root directory, and unmount the host's",
		"the root directory is not changed"},
	{"identity", "become the user: user ID, group ID and additional groups",
		"the process keeps its user and groups"},
	{"capabilities", "give up privileges: no_new_privs and the sets of capabilities",
		"the process keeps its capabilities"},
	{"exec", "find the program and become it: execve replaces minirun's code", "there is no program"},
}

// isChapter reports whether a plan may have a chapter with this name.
func isChapter(name string) bool { return slices.ContainsFunc(chapterNames[:], isNamed(name)) }

func isNamed(name string) func(struct{ name, about, without string }) bool {
	return func(c struct{ name, about, without string }) bool { return c.name == name }
}

// aboutChapter returns what a chapter is about, and why a plan may not have it.
func aboutChapter(name string) (about, without string) {
	c := chapterNames[slices.IndexFunc(chapterNames[:], isNamed(name))]
	return c.about, c.without
}

// findChapters returns the chapters of a plan in the order in which they run. The first one
// begins with the first step.
func findChapters(p *plan.Plan) []chapter {
	out := []chapter{{name: "start"}}
	pivoted := false
	for _, i := range successfulSteps(p) {
		s := &p.Steps[i]
		name := subject(s, pivoted)
		pivoted = pivoted || name == "pivot"
		if name == "" || name == out[len(out)-1].name {
			continue
		}
		first := i
		for first > out[len(out)-1].first+1 && prepares(&p.Steps[first-1], s, name) {
			first--
		}
		out = append(out, chapter{name: name, first: first})
	}
	for k := range out {
		out[k].last = len(p.Steps) - 1
		if k+1 < len(out) {
			out[k].last = out[k+1].first - 1
		}
	}
	return out
}

// subject returns the chapter that a step is certain to belong to, "" if it may belong to any.
func subject(s *plan.Step, pivoted bool) string {
	has := func(prefix string) bool { return strings.HasPrefix(s.Source, prefix) }
	switch {
	case s.Call == plan.PivotRoot, s.Call == plan.Chroot:
		return "pivot"
	case s.Group == plan.Limits && has("linux.cgroupsPath") && s.Call == plan.Write:
		return "cgroup"
	case s.Group == plan.Namespaces && s.Call != plan.Sethostname && s.Call != plan.Setdomainname:
		return "namespaces"
	case s.Group == plan.Filesystem && !pivoted && !isMinor(s) && belongsToMounts(s):
		return "mounts"
	case has("process.capabilities"),
		s.Call == plan.Prctl && len(s.Args) > 0 && s.Args[0].Value == unix.PR_SET_NO_NEW_PRIVS:
		return "capabilities"
	case s.Group == plan.Identity &&
		(s.Call == plan.Setgroups || s.Call == plan.Setresgid || s.Call == plan.Setresuid):
		return "identity"
	case s.Group == plan.Exec && s.Kind == plan.Program:
		return "exec"
	}
	return ""
}

// belongsToMounts reports whether a step of the file system is for a mount of the container, and
// not for its source, which may be opened long before.
func belongsToMounts(s *plan.Step) bool {
	switch part := partOf(s); part {
	case "mounts":
		return strings.HasSuffix(s.Source, "]")
	case "paths":
		return true
	case "devices":
		return s.Call == plan.Mknodat || s.Call == plan.Symlinkat
	}
	return s.Source == "root.path" && s.Call == plan.MoveMount
}

// prepares reports whether a step before the first one of a chapter prepares for it: it opens
// the files, or belongs to the same part of config.json.
func prepares(s, first *plan.Step, name string) bool {
	switch name {
	case "cgroup", "namespaces":
		return s.Group == first.Group && s.Source == first.Source
	case "mounts":
		return s.Group == plan.Filesystem
	case "pivot":
		return strings.HasPrefix(s.Source, "root.")
	}
	return false
}

// successfulSteps returns the indexes of the steps that run if none fails, in ascending order.
func successfulSteps(p *plan.Plan) (out []int) {
	runs := map[*plan.Step]bool{}
	for _, s := range successful(p) {
		runs[s] = true
	}
	for i := range p.Steps {
		if runs[&p.Steps[i]] {
			out = append(out, i)
		}
	}
	return out
}

// chapterOf returns the index of the chapter that step i belongs to.
func (d *Debugger) chapterOf(i int) int {
	k := 0
	for k+1 < len(d.chapters) && d.chapters[k+1].first <= i {
		k++
	}
	return k
}

// findChapter returns the index of the next chapter with a name that begins after step here, -1
// before the first step.
func (d *Debugger) findChapter(name string, here int) (int, error) {
	exists := false
	for k, c := range d.chapters {
		if c.name != name {
			continue
		}
		if c.first > here {
			return k, d.checkReachable(k)
		}
		exists = true
	}
	if exists {
		return 0, fmt.Errorf("chapter %s began before step %d\nhint: chapters lists those that follow", name, here)
	}
	_, why := aboutChapter(name)
	return 0, fmt.Errorf("this plan has no chapter %s: %s\nhint: chapters lists those that it has", name, why)
}

// checkReachable returns an error if the debugger cannot stop at a chapter.
func (d *Debugger) checkReachable(k int) error {
	for i := d.chapters[k].first; i <= d.chapters[k].last; i++ {
		if d.running.Observes(i) {
			return nil
		}
	}
	return fmt.Errorf("cannot stop in chapter %s: its steps come after the one that loads the seccomp filter\n"+
		"hint: minirun run --hold stops right before execve, also with a filter", d.chapters[k].name)
}

// nextChapter lets the process run to the first step of the next chapter.
func (d *Debugger) nextChapter(here int) bool {
	k := d.chapterOf(here) + 1
	if k == len(d.chapters) {
		fmt.Fprintf(d.w, "%s is the last chapter: continue runs the program\n", d.chapters[k-1].name)
		return false
	}
	if err := d.checkReachable(k); err != nil {
		fmt.Fprintln(d.w, err)
		return false
	}
	d.stop = func(next int) bool { return d.chapterOf(next) >= k }
	return true
}

// showChapter introduces the chapter of a step, if it is not the one of the last stop.
func (d *Debugger) showChapter(next int) {
	k := d.chapterOf(next)
	if k == d.shownChapter {
		return
	}
	d.shownChapter = k
	c := &d.chapters[k]
	about, _ := aboutChapter(c.name)
	fmt.Fprintf(d.w, "%schapter %d of %d: %s%s\n    %s\n", d.style.bold, k+1, len(d.chapters), c.name, d.style.off,
		about)
}

// listChapters lists the chapters, with the current one marked, and those that the plan lacks.
func (d *Debugger) listChapters(next int) {
	current := d.chapterOf(next)
	for k, c := range d.chapters {
		mark := "  "
		if k == current {
			mark = "→ "
		}
		about, _ := aboutChapter(c.name)
		fmt.Fprintf(d.w, "%s%-12s  %3d–%-3d  %s\n", mark, c.name, c.first, c.last, about)
	}
	for _, c := range chapterNames {
		if !slices.ContainsFunc(d.chapters, func(has chapter) bool { return has.name == c.name }) {
			fmt.Fprintf(d.w, "  %s%-12s        -  not here: %s%s\n", d.style.dim, c.name, c.without, d.style.off)
		}
	}
}
