package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/crash/tracer"
)

// waits reports whether a call only waits and changes nothing, as in the Go runtime's own threads.
// The number of these calls depends on timing, so they are not counted.
func waits(call uint64) bool {
	return call == unix.SYS_FUTEX || call == unix.SYS_NANOSLEEP
}

// killAt kills minirun, or the init, at its n-th boundary, and returns the boundary, or "" if the
// command ended before it.
func (h *host) killAt(v *verb, n int, init bool) (where string, boundaries int) {
	h.t.Helper()
	outcome, text := h.traced(init, func(s *tracer.Stop) tracer.Verdict {
		if s.Init != init || waits(s.Call) {
			return tracer.Verdict{}
		}
		boundaries++
		if boundaries != n {
			return tracer.Verdict{}
		}
		where = boundary(s)
		return tracer.Verdict{Kill: true}
	}, h.words(v.args)...)
	if where == "" && (!outcome.Status.Exited() || outcome.Status.ExitStatus() != 0) {
		h.t.Errorf("%s, traced but not killed: %v: %s", v.name, describe(outcome.Status), text)
	}
	return where, boundaries
}

func boundary(s *tracer.Stop) string {
	if s.Entry {
		return fmt.Sprintf("at the entry of %s", callName(s.Call))
	}
	return fmt.Sprintf("at the exit of %s, %d", callName(s.Call), s.Result)
}

func describe(s unix.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + unix.SignalName(s.Signal())
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}

// each tries every boundary, or about the given number of them. The command does not make exactly the
// same calls each time, so "every" means: until the command ended before the boundary three times
// in a row.
func (h *host) each(v *verb, amount int, try func(n int) (reached bool, boundaries int)) (total int) {
	h.t.Helper()
	h.prepare(v)
	_, total = try(-1)
	if !full {
		for i := range min(amount, total) {
			h.prepare(v)
			try(1 + i*total/min(amount, total))
		}
		return total
	}
	for n, missed := 1, 0; missed < 3; n++ {
		h.prepare(v)
		if reached, _ := try(n); reached {
			missed = 0
		} else {
			missed++
		}
	}
	return total
}

func (h *host) eachBoundary(v *verb, init bool, amount int) {
	h.t.Helper()
	begin, killed := time.Now(), 0
	total := h.each(v, amount, func(n int) (bool, int) {
		where, boundaries := h.killAt(v, n, init)
		h.gone(fmt.Sprintf("%s killed at boundary %d, %s", v.name, n, where))
		if where != "" {
			killed++
		}
		return where != "", boundaries
	})
	h.t.Logf("%s: %d boundaries, killed at %d, %d leaks, delete --force at most %v, %v in total",
		v.name, total, killed, h.leaks, h.slow.Round(time.Millisecond/10), time.Since(begin).Round(time.Second/10))
}

// TestKillAtBoundaries kills minirun at the boundaries of its calls: each verb with a default
// container, and the verbs that do most with each kind of container.
func TestKillAtBoundaries(t *testing.T) {
	for i := range verbs {
		t.Run("default/"+verbs[i].name, func(t *testing.T) {
			h := newHost(t)
			h.has(verbs[i].args[0])
			h.eachBoundary(&verbs[i], false, 5)
		})
	}
	for _, k := range kinds {
		for _, name := range []string{"create", "start", "delete running", "exec"} {
			v := verbCalled(name)
			t.Run(k.name+"/"+v.name, func(t *testing.T) {
				h := newHost(t, k.change...)
				h.has(v.args[0])
				h.eachBoundary(v, false, 1)
			})
		}
	}
}

// TestKillAtBoundariesOfInit kills minirun while the init is at each step of its plan, and keeps the
// init stopped there until minirun is dead.
func TestKillAtBoundariesOfInit(t *testing.T) {
	for _, name := range []string{"run detached", "create", "exec"} {
		v := verbCalled(name)
		t.Run("default/"+v.name, func(t *testing.T) {
			h := newHost(t)
			h.has(v.args[0])
			h.eachBoundary(v, true, 5)
		})
	}
	for _, k := range kinds {
		v := verbCalled("create")
		t.Run(k.name+"/"+v.name, func(t *testing.T) { newHost(t, k.change...).eachBoundary(v, true, 1) })
	}
}

// TestKilledInitIsReported kills the init instead: minirun must report the failure, and create must
// leave nothing.
func TestKilledInitIsReported(t *testing.T) {
	for _, name := range []string{"run detached", "create", "exec"} {
		v := verbCalled(name)
		t.Run("default/"+v.name, func(t *testing.T) {
			h := newHost(t)
			h.has(v.args[0])
			h.eachDeath(v, 6)
		})
	}
	for _, k := range kinds {
		v := verbCalled("create")
		t.Run(k.name+"/"+v.name, func(t *testing.T) { newHost(t, k.change...).eachDeath(v, 1) })
	}
}

func (h *host) eachDeath(v *verb, amount int) {
	h.t.Helper()
	begin, killed, good := time.Now(), 0, 0
	h.each(v, amount, func(n int) (bool, int) {
		where, boundaries := "", 0
		outcome, text := h.traced(true, func(s *tracer.Stop) tracer.Verdict {
			if !s.Init {
				return tracer.Verdict{}
			}
			if boundaries++; boundaries != n {
				return tracer.Verdict{}
			}
			where = boundary(s)
			return tracer.Verdict{KillInit: true}
		}, h.words(v.args)...)
		what := fmt.Sprintf("%s, init killed at boundary %d, %s", v.name, n, where)
		switch {
		case where == "":
		case !outcome.Status.Exited():
			h.t.Errorf("%s: %s: %s", what, describe(outcome.Status), text)
		case outcome.Status.ExitStatus() == 0:
			good++ // it was killed at its last step, or after what minirun waits for
		case !strings.Contains(text, "minirun: "):
			h.t.Errorf("%s: no message: %s", what, text)
		case len(v.before) == 0:
			h.clean(what + ", before delete --force")
		}
		if where != "" {
			killed++
		}
		h.gone(what)
		return where != "", boundaries
	})
	h.t.Logf("%s: init killed at %d boundaries, %d of them too late for minirun to fail; %d leaks, %v in total",
		v.name, killed, good, h.leaks, time.Since(begin).Round(time.Second/10))
}
