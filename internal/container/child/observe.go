package child

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/container/observer"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// Report reports an action that began at a time to the observer, if there is one, and to
// --debug.
func (c *Process) Report(begin time.Time, a observer.Action) {
	debuglog.Printf("%s", a.What)
	if w := c.Settings.Observer; w != nil {
		a.Begin = begin
		w.Did(a)
	}
}

// BeginAction returns the time, if there is an observer.
func (c *Process) BeginAction() (now time.Time) {
	if c.Settings.Observer != nil {
		now = time.Now()
	}
	return now
}

// DebugQuestion reports what a process asks for with --debug.
func DebugQuestion(pid int, m bootstrap.Message) {
	if m.Point != plan.Ran && m.Point != bootstrap.Stamped { // each step of an observed plan
		debuglog.Printf("process %d asks for %s", pid, handshake.Name(m.Point))
	}
}

// ObservedPlan returns the plan that runs instead of c.plan.
func (c *Process) ObservedPlan(id string, cloneflags uintptr) *plan.Plan {
	w := c.Settings.Observer
	if w == nil {
		return c.Plan
	}
	if c.Observed = w.Born(observer.Start{ID: id, Spec: c.Spec, Plan: c.Plan,
		Cloneflags: cloneflags}); c.Observed == nil {
		return c.Plan
	}
	return c.Observed.Plan
}

// originalStep returns the step of the original plan.
func (c *Process) originalStep(step int) int {
	if c.Observed == nil || step < 0 || step >= len(c.Observed.Origin) {
		return step
	}
	return c.Observed.Origin[step]
}

// ReportStep passes on the result of an observed step.
func (c *Process) ReportStep(m bootstrap.Message) error {
	if c.Observed == nil {
		return fmt.Errorf("%s reports a step, but is not observed", c.Description)
	}
	if m.A != ^uint64(0) && m.A >= uint64(len(c.Observed.Origin)) {
		return fmt.Errorf("%s reports step %d of %d", c.Description, m.A, len(c.Observed.Origin))
	}
	at := observer.Stop{Pid: c.Proc.Pid, Last: -1, Result: int64(m.B),
		Wait:            func(fd int) error { return c.Signals.ForReadable(fd) },
		AwaitForeground: c.Signals.AwaitForeground}
	if m.A != ^uint64(0) {
		at.Last = c.originalStep(int(m.A))
		at.Next, _ = c.Plan.After(at.Last, at.Result)
	}
	return c.Settings.Observer.Stopped(at)
}

// ConvertStamps converts the times that a process has measured.
func ConvertStamps(ts []unix.Timespec) []time.Time {
	out := make([]time.Time, len(ts))
	for i, t := range ts {
		if t.Sec != 0 {
			out[i] = time.Unix(t.Sec, t.Nsec)
		}
	}
	return out
}
