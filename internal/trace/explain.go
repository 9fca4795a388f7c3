package trace

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minirun/minirun/internal/container/observer"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/termtext"
)

// An Explainer narrates a start: what is done, why, what the kernel answered, and what
// it reports afterwards.
type Explainer struct {
	w     io.Writer
	full  bool // each step, with its call; otherwise only the important ones
	style style

	plan   *plan.Plan
	source string // of the last line
	caps   int    // capabilities dropped since the last line
	joined int    // cgroups of version 1 joined since the last line
	before inspect.Facts
}

// NewExplainer writes to w.
func NewExplainer(w io.Writer, full bool) *Explainer {
	return &Explainer{w: termtext.NewWriter(w), full: full, style: styleOf(w), source: "\x00"}
}

// Born makes the plan stop before each step.
func (e *Explainer) Born(b observer.Start) *plan.Observed {
	e.plan = b.Plan
	fmt.Fprintf(e.w, "%scontainer %s: a plan of %d steps%s\n", e.style.bold, b.ID, len(b.Plan.Steps), e.style.off)
	return b.Plan.Observe()
}

// Did narrates what minirun has done.
func (e *Explainer) Did(a observer.Action) {
	if a.Kind == observer.ProgramRuns {
		e.joinedCgroups(0)
		e.dropped(0)
	}
	e.heading(a.Source)
	fmt.Fprintf(e.w, "  %sminirun%s  %s\n", e.style.dim, e.style.off, a.What)
	if a.Why != "" {
		fmt.Fprintf(e.w, "           %s%s%s\n", e.style.dim, a.Why, e.style.off)
	}
	for _, v := range a.Values {
		if !e.full && !v.Program && !readable(v.File) {
			continue // another file shows the effect of these
		}
		e.heading(v.Source)
		e.readBack(v)
	}
}

// heading prints the reason for what follows, once.
func (e *Explainer) heading(source string) {
	if source == e.source {
		return
	}
	e.source = source
	fmt.Fprintf(e.w, "%s%s%s\n", e.style.bold, where(source), e.style.off)
}

// readBack reads the value that the kernel stored.
func (e *Explainer) readBack(v observer.Written) {
	fmt.Fprintf(e.w, "  %sminirun%s  %s\n", e.style.dim, e.style.off, writing(v))
	text, err := os.ReadFile(v.File)
	if err != nil {
		return // some files are write-only
	}
	says := strings.Join(strings.Fields(string(text)), " ")
	mark, off := e.style.good, e.style.off
	asked := strings.Join(strings.Fields(v.Value), " ")
	if says != asked && v.Unit == 0 && !strings.Contains(says, asked) {
		mark = ""
	}
	fmt.Fprintf(e.w, "           %sasked %s; the file says %s%s\n", mark, asked, clip(says, 100), off)
	fmt.Fprintf(e.w, "           %ssee it: cat %s%s\n", e.style.dim, v.File, off)
}

func readable(file string) bool {
	_, err := os.ReadFile(file)
	return err == nil
}

func clip(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}
	return text
}

// Stopped narrates the step that has run.
func (e *Explainer) Stopped(at observer.Stop) error {
	if at.Last < 0 {
		e.before = inspect.FactsOf(at.Pid)
		return nil
	}
	s := &e.plan.Steps[at.Last]
	if s.Call == plan.Prctl && len(s.Args) > 1 && s.Args[0].Value == unix.PR_CAPBSET_DROP && !e.full {
		e.caps++
		return nil
	}
	if s.Group == plan.Limits && s.Call == plan.Write && !e.full {
		e.joined++
		return nil
	}
	if s.Group != plan.Limits {
		e.joinedCgroups(at.Pid)
	}
	e.dropped(at.Pid)
	if e.full || !quiet(s) && at.Result >= 0 {
		e.step(at, s)
	}
	return nil
}

// dropped reports the dropped capabilities in one line.
func (e *Explainer) dropped(pid int) {
	if e.caps == 0 {
		return
	}
	e.heading("process.capabilities.bounding")
	fmt.Fprintf(e.w, "  %sinit%s     drop %d capabilities forever: prctl(PR_CAPBSET_DROP, …) = 0\n", e.style.dim, e.style.off, e.caps)
	e.caps = 0
	if pid != 0 {
		e.status(pid, "CapBnd")
	}
}

// joinedCgroups reports the joined cgroups of version 1 in one line.
func (e *Explainer) joinedCgroups(pid int) {
	if e.joined == 0 {
		return
	}
	e.heading("linux.cgroupsPath")
	fmt.Fprintf(e.w, "  %sinit%s     join %d cgroups: write(tasks, \"0\", 1) = 1\n", e.style.dim, e.style.off, e.joined)
	e.joined = 0
	if pid != 0 {
		e.changed(pid, fmt.Sprintf("cat /proc/%d/cgroup", pid))
	}
}

func (e *Explainer) step(at observer.Stop, s *plan.Step) {
	e.heading(s.Source)
	fmt.Fprintf(e.w, "  %sinit%s %3d %s", e.style.dim, e.style.off, at.Last, s.Name)
	if e.full || s.Group != plan.Limits {
		fmt.Fprintf(e.w, ": %s %s", e.plan.CallText(s), answer(e.plan, at.Last, at.Result))
	}
	fmt.Fprintln(e.w)
	if s.Why != "" {
		fmt.Fprintf(e.w, "           %s%s%s\n", e.style.dim, s.Why, e.style.off)
	}
	if at.Result >= 0 {
		e.check(at.Pid, s)
	}
}

// check reads the state that a step has changed.
func (e *Explainer) check(pid int, s *plan.Step) {
	proc := "/proc/" + strconv.Itoa(pid)
	switch s.Call {
	case plan.Unshare, plan.Setns, plan.Clone:
		e.changed(pid, "ls -l "+proc+"/ns")
	case plan.Mount, plan.MoveMount, plan.PivotRoot, plan.Umount:
		e.changed(pid, "cat "+proc+"/mountinfo")
	case plan.Sethostname, plan.Setdomainname:
		e.tell("see it: nsenter --target " + strconv.Itoa(pid) + " --uts uname -n")
	case plan.Setresuid:
		e.status(pid, "Uid")
	case plan.Setresgid:
		e.status(pid, "Gid")
	case plan.Setgroups:
		e.status(pid, "Groups")
	case plan.Capset:
		e.status(pid, "CapEff", "CapPrm", "CapInh")
	case plan.Prctl:
		e.status(pid, "NoNewPrivs")
	case plan.Prlimit:
		e.tell("see it: cat " + proc + "/limits")
	}
}

// changed prints the differences from the last time.
func (e *Explainer) changed(pid int, command string) {
	now := inspect.FactsOf(pid)
	lines := now.Changes(e.before)
	if len(now.Mounts) == 0 {
		lines = nil // this process may not look at it
	}
	e.before = now
	if s := "mountinfo"; strings.HasSuffix(command, s) {
		lines = only(lines, "mount ", "propagation ")
	}
	for i, line := range lines {
		if i == 4 && !e.full {
			e.tell(fmt.Sprintf("… and %d more changes", len(lines)-i))
			break
		}
		fmt.Fprintf(e.w, "           %sthe kernel says: %s%s\n", e.style.good, line, e.style.off)
	}
	if len(lines) > 0 {
		e.tell("see it: " + command)
	}
}

func only(lines []string, prefixes ...string) (out []string) {
	for _, l := range lines {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(l, p) }) {
			out = append(out, l)
		}
	}
	return out
}

// status reads fields of /proc/PID/status.
func (e *Explainer) status(pid int, names ...string) {
	proc := "/proc/" + strconv.Itoa(pid)
	status := inspect.StatusOf(proc)
	e.before.Status = status
	for _, name := range names {
		value := status[name]
		if strings.HasPrefix(name, "Cap") {
			value += " " + inspect.Capabilities(value)
		}
		fmt.Fprintf(e.w, "           %s%s/status says %s: %s%s\n", e.style.good, proc, name, or(value, "none"), e.style.off)
	}
}

func (e *Explainer) tell(text string) {
	fmt.Fprintf(e.w, "           %s%s%s\n", e.style.dim, text, e.style.off)
}

// Stamped is never called: the plan has no timestamps.
func (e *Explainer) Stamped([]time.Time) {}
