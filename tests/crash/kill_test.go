package crash

import (
	"fmt"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/crash/tracer"
	"github.com/minirun/minirun/tests/testbundle"
)

// A verb is a command, and what has to be there before it.
type verb struct {
	name   string
	before [][]string // commands; ID and BUNDLE stand for the container's
	args   []string
}

var (
	create = []string{"create", "ID", "BUNDLE"}
	start  = []string{"start", "ID"}
	kill   = []string{"kill", "ID", "KILL"}
)

var verbs = []verb{
	{"run detached", nil, []string{"run", "--detach", "ID", "BUNDLE"}},
	{"create", nil, create},
	{"start", [][]string{create}, start},
	{"delete", [][]string{create, start, kill}, []string{"delete", "ID"}},
	{"delete created", [][]string{create}, []string{"delete", "ID"}},
	{"delete running", [][]string{create, start}, []string{"delete", "--force", "ID"}},
	{"kill", [][]string{create, start}, kill},
}

// words puts the container into a command.
func (h *host) words(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		switch a {
		case "ID":
			a = h.ID
		case "BUNDLE":
			a = h.Dir
		}
		out[i] = a
	}
	return out
}

func (h *host) prepare(v *verb) {
	h.t.Helper()
	for _, args := range v.before {
		h.minirun(h.words(args)...)
	}
}

// waits are the calls of the Go runtime's own threads that wait and change
// nothing. How many there are depends on the time, so they are not counted.
func waits(call uint64) bool {
	return call == unix.SYS_FUTEX || call == unix.SYS_NANOSLEEP
}

// killAt kills minirun at its n-th boundary, or the init's, and returns which
// one that was; "" if the command had ended before.
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
		h.t.Errorf("%s, not killed, traced: %v: %s", v.name, describe(outcome.Status), text)
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

// eachBoundary kills at every boundary, or at about so many of them. The
// command takes not quite the same way each time, so all means: until it has
// ended before the boundary was reached three times in a row.
func (h *host) eachBoundary(v *verb, init bool, sample int) {
	h.t.Helper()
	begin := time.Now()
	try := func(n int) (reached bool, boundaries int) {
		h.prepare(v)
		where, boundaries := h.killAt(v, n, init)
		h.gone(fmt.Sprintf("%s killed at boundary %d, %s", v.name, n, where))
		return where != "", boundaries
	}
	_, total := try(-1)
	killed := 0
	if !full {
		for i := range min(sample, total) {
			if reached, _ := try(1 + i*total/min(sample, total)); reached {
				killed++
			}
		}
	} else {
		for n, missed := 1, 0; missed < 3; n++ {
			if reached, _ := try(n); reached {
				killed, missed = killed+1, 0
			} else {
				missed++
			}
		}
	}
	h.t.Logf("%s: %d boundaries, killed at %d, %d leaks, delete --force at most %v, %v in all",
		v.name, total, killed, h.leaks, h.slow.Round(time.Millisecond/10), time.Since(begin).Round(time.Second/10))
}

// kinds are containers that make minirun take different ways.
var kinds = []struct {
	name   string
	change []func(*specs.Spec)
}{
	{"default", nil},
}

func TestKillAtBoundaries(t *testing.T) {
	for _, k := range kinds {
		for i := range verbs {
			t.Run(k.name+"/"+verbs[i].name, func(t *testing.T) {
				newHost(t, k.change...).eachBoundary(&verbs[i], false, 12)
			})
		}
	}
}

var _ = testbundle.Args
