package trace

import (
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/observer"
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
	return &Explainer{w: termtext.NewWriter(w), full: full, style: newStyle(w), source: "\x00"}
}

// Born makes the plan stop before each step.
func (e *Explainer) Born(b observer.Start) *plan.Observed {
	e.plan = b.Plan
	fmt.Fprintf(e.w, "%scontainer %s: a plan of %d steps%s\n", e.style.bold, b.ID, len(b.Plan.Steps), e.style.off)
	return b.Plan.Observe()
}

// Did narrates what minirun has done.
func (e *Explainer) Did(a observer.Action) {
	if a.Kind == observer.ProgramStarted {
		e.reportJoinedCgroups(0)
		e.reportDroppedCapabilities(0)
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
	fmt.Fprintf(e.w, "%s%s%s\n", e.style.bold, requester(source), e.style.off)
}

// Stopped narrates the step that has run.
func (e *Explainer) Stopped(at observer.Stop) error {
	if at.Last < 0 {
		e.before = inspect.ReadFacts(at.Pid)
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
		e.reportJoinedCgroups(at.Pid)
	}
	e.reportDroppedCapabilities(at.Pid)
	if e.full || !isMinor(s) && at.Result >= 0 {
		e.step(at, s)
	}
	return nil
}

// reportDroppedCapabilities reports the dropped capabilities in one line.
func (e *Explainer) reportDroppedCapabilities(pid int) {
	if e.caps == 0 {
		return
	}
	e.heading("process.capabilities.bounding")
	fmt.Fprintf(e.w, "  %sinit%s     drop %d capabilities permanently: prctl(PR_CAPBSET_DROP, …) = 0\n", e.style.dim,
		e.style.off, e.caps)
	e.caps = 0
	if pid != 0 {
		e.reportStatus(pid, "CapBnd")
	}
}

// reportJoinedCgroups reports the joined cgroups of version 1 in one line.
func (e *Explainer) reportJoinedCgroups(pid int) {
	if e.joined == 0 {
		return
	}
	e.heading("linux.cgroupsPath")
	fmt.Fprintf(e.w, "  %sinit%s     join %d cgroups: write(tasks, \"0\", 1) = 1\n", e.style.dim, e.style.off, e.joined)
	e.joined = 0
	if pid != 0 {
		e.reportChanges(pid, fmt.Sprintf("cat /proc/%d/cgroup", pid))
	}
}

// step narrates one step.
func (e *Explainer) step(at observer.Stop, s *plan.Step) {
	e.heading(s.Source)
	fmt.Fprintf(e.w, "  %sinit%s %3d %s", e.style.dim, e.style.off, at.Last, s.Name)
	if e.full || s.Group != plan.Limits {
		fmt.Fprintf(e.w, ": %s = %s", e.plan.CallText(s), resultText(e.plan, at.Last, at.Result))
	}
	fmt.Fprintln(e.w)
	if s.Why != "" {
		fmt.Fprintf(e.w, "           %s%s%s\n", e.style.dim, s.Why, e.style.off)
	}
	if at.Result >= 0 {
		e.readBackStep(at.Pid, s)
	}
}

// note prints a line of secondary importance.
func (e *Explainer) note(text string) {
	fmt.Fprintf(e.w, "           %s%s%s\n", e.style.dim, text, e.style.off)
}

// Stamped is never called: the plan has no timestamps.
func (e *Explainer) Stamped([]time.Time) {}
