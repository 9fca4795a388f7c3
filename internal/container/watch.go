package container

import (
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/bootstrap"
	"github.com/minirun/minirun/internal/cgroups"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// A Watch observes the start of a container while it happens. `run --explain`, `step`
// and `run --trace` are watches. Without one none of this runs.
type Watch interface {
	// Born is called when the plan is known, before its process is created. It returns
	// the plan to run instead, made by [plan.Plan.Observe] or [plan.Plan.Stamp].
	Born(b Birth) *plan.Observed
	// Stopped is called before step next of an observed plan, when step last has
	// returned result: -errno if it failed, last is -1 before the first. The process
	// waits until it returns; an error ends the container.
	Stopped(at Stop) error
	// Stamped receives the times of a stamped plan.
	Stamped(times []time.Time)
	// Did is called after each action of minirun itself.
	Did(a Action)
}

// A Birth describes what is known before the first process is created.
type Birth struct {
	ID         string
	Spec       *specs.Spec
	Plan       *plan.Plan
	Cloneflags uintptr
}

// A Stop describes where an observed process waits. Indexes are of the plan in Birth.
type Stop struct {
	Pid, Last, Next int
	Result          int64
	// Wait waits until a descriptor is readable. A signal that asks to exit is an
	// error.
	Wait func(fd int) error
}

// An Action is something that minirun, not the new process, has done.
type Action struct {
	What, Why, Source string
	Begin             time.Time
	Values            []Written // the values written to files
}

// Ended begins the name of the action that lasts as long as the program.
const Ended = "the program exited"

// Written is a value in a file of the host.
type Written struct {
	File, Value, Source string
	Program             bool   // Value is the rules of a program that is attached to the directory File
	Unit                uint64 // the file's number is rounded down to a multiple of this; 0: no rounding
}

// did reports an action that began at a time to the watch, if there is one, and to
// --debug.
func (c *child) did(begin time.Time, what, why, source string, values ...Written) {
	debuglog.Printf("%s", what)
	if w := c.settings.Watch; w != nil {
		w.Did(Action{What: what, Why: why, Source: source, Begin: begin, Values: values})
	}
}

// began returns the time, if there is an observer.
func (c *child) began() (now time.Time) {
	if c.settings.Watch != nil {
		now = time.Now()
	}
	return now
}

// debugAsked reports what a process asks for with --debug.
func debugAsked(pid int, m bootstrap.Message) {
	if m.Point != plan.Ran && m.Point != bootstrap.Stamped { // each step of an observed plan
		debuglog.Printf("process %d asks for %s", pid, handshake.Name(m.Point))
	}
}

// watched returns the plan that runs instead of c.plan.
func (c *child) watched(id string, cloneflags uintptr) *plan.Plan {
	w := c.settings.Watch
	if w == nil {
		return c.plan
	}
	if c.observed = w.Born(Birth{id, c.spec, c.plan, cloneflags}); c.observed == nil {
		return c.plan
	}
	return c.observed.Plan
}

// origin returns the step of the original plan.
func (c *child) origin(step int) int {
	if c.observed == nil || step < 0 || step >= len(c.observed.Origin) {
		return step
	}
	return c.observed.Origin[step]
}

// ran passes on the result of an observed step.
func (c *child) ran(m bootstrap.Message) error {
	if c.observed == nil {
		return fmt.Errorf("%s reports a step, but is not observed", c.who)
	}
	if m.A != ^uint64(0) && m.A >= uint64(len(c.observed.Origin)) {
		return fmt.Errorf("%s reports step %d of %d", c.who, m.A, len(c.observed.Origin))
	}
	at := Stop{Pid: c.proc.Pid, Last: -1, Result: int64(m.B), Wait: func(fd int) error { return c.signals.ForReadable(fd) }}
	if m.A != ^uint64(0) {
		at.Last = c.origin(int(m.A))
		at.Next, _ = c.plan.After(at.Last, at.Result)
	}
	return c.settings.Watch.Stopped(at)
}

// didLimit reports cgroup values that were written.
func (c *Container) didLimit(begin time.Time, late bool) {
	if c.settings.Watch == nil {
		return
	}
	if values := written(c.group, c.values, late); len(values) > 0 {
		c.did(begin, fmt.Sprintf("limit the cgroup: %d values", len(values)), "each is read back: the container is stopped if the kernel did not accept one", "linux.resources", values...)
	}
}

// didMap reports the ID maps.
func (c *Container) didMap(begin time.Time) {
	if c.settings.Watch == nil {
		return
	}
	proc := fmt.Sprintf("/proc/%d/", c.proc.Pid)
	for _, m := range []struct {
		file, source string
		maps         []specs.LinuxIDMapping
	}{{"uid_map", "linux.uidMappings", c.spec.Linux.UIDMappings}, {"gid_map", "linux.gidMappings", c.spec.Linux.GIDMappings}} {
		var lines []string
		for _, l := range m.maps {
			lines = append(lines, fmt.Sprintf("%d %d %d", l.ContainerID, l.HostID, l.Size))
		}
		text := strings.Join(lines, "\n")
		c.did(begin, fmt.Sprintf("map IDs: write %q to %s", text, proc+m.file), "ID inside, ID on the host, count: until then the process is nobody", m.source, Written{File: proc + m.file, Value: text, Source: m.source})
	}
}

// written returns the files of cgroup values.
func written(g *cgroups.Group, values []cgroups.Value, late bool) (out []Written) {
	for i := range values {
		v := &values[i]
		if v.Late != late {
			continue
		}
		w := Written{File: g.File(v), Value: v.Value, Source: v.Source, Unit: v.Unit}
		if w.File == "" { // a device program is attached to the directory
			w.File, w.Program = g.Dirs()[0], true
		}
		out = append(out, w)
	}
	return out
}

// stamps converts the times that a process has measured.
func stamps(ts []unix.Timespec) []time.Time {
	out := make([]time.Time, len(ts))
	for i, t := range ts {
		if t.Sec != 0 {
			out[i] = time.Unix(t.Sec, t.Nsec)
		}
	}
	return out
}
