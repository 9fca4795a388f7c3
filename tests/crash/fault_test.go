package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/crash/tracer"
)

// A fault is one occurrence of a system call that fails without being executed.
type fault struct {
	call  uint64
	nth   int // its occurrence among the calls of the command's threads, or of the init
	errno unix.Errno
	init  bool
}

var errnos = []struct {
	letter string // in call.fails
	errno  unix.Errno
}{{"s", unix.ENOSPC}, {"f", unix.EMFILE}, {"m", unix.ENOMEM}, {"i", unix.EINTR}, {"b", unix.EBUSY}}

// faulty lists the verbs and what must be true after they succeed.
var faulty = []struct {
	verb  string
	state string // what `state` reports after a success; "": nothing is left
	whole bool   // a failure leaves nothing
}{
	{"run detached", "running", true},
	{"create", "created", true},
	{"start", "running", false},
	{"exec", "running", false},
	{"kill", "stopped", false},
	{"delete", "", false},
	{"delete running", "", false},
}

// inject runs a verb with one fault and returns where it occurred, or "" if the call was not made
// that often or cannot fail in this way.
func (h *host) inject(v *verb, f fault) (where string, status unix.WaitStatus, text string) {
	h.t.Helper()
	seen := 0
	outcome, text := h.traced(f.init, func(s *tracer.Stop) tracer.Verdict {
		if !s.Entry || s.Init != f.init || s.Call != f.call || isThread(s) {
			return tracer.Verdict{}
		}
		if seen++; seen != f.nth {
			return tracer.Verdict{}
		}
		if at := describeCall(s); f.errno == unix.EINTR || !strings.HasPrefix(at, "read(pipe:") {
			where = at
			return tracer.Verdict{Errno: f.errno}
		}
		// On a pipe, a read may fail only with EINTR. After any other error Go's fork waits for the
		// end of a child that is still running.
		return tracer.Verdict{}
	}, h.words(v.args)...)
	return where, outcome.Status, text
}

// isThread distinguishes the creation of a thread, without which a Go program gives up, from that of
// a process.
func isThread(s *tracer.Stop) bool {
	return s.Call == unix.SYS_CLONE && s.Args[0]&unix.CLONE_THREAD != 0
}

// count counts the calls of a verb.
func (h *host) count(v *verb, init bool) map[uint64]int {
	h.t.Helper()
	n := map[uint64]int{}
	h.prepare(v)
	h.traced(init, func(s *tracer.Stop) tracer.Verdict {
		if s.Entry && s.Init == init && !isThread(s) && s.Call != unix.SYS_EXIT_GROUP {
			n[s.Call]++
		}
		return tracer.Verdict{}
	}, h.words(v.args)...)
	h.gone("count the calls of " + v.name)
	return n
}

// faults lists what can fail in a verb: for its threads the entries of the table of calls, for the
// init every call with every error.
func faults(counts map[uint64]int, init bool) []fault {
	var out []fault
	// Go's fork makes this call before the init's first step. It cannot fail, and Go, which relies on
	// that, would loop in its signal handler.
	delete(counts, unix.SYS_RT_SIGPROCMASK)
	for _, e := range errnos {
		for _, number := range slices.Sorted(maps.Keys(counts)) {
			if c := find(number); !init && (c == nil || !strings.Contains(c.fails, e.letter)) {
				continue
			}
			for n := range counts[number] {
				out = append(out, fault{number, n + 1, e.errno, init})
			}
		}
	}
	return out
}

// sample returns about n elements, evenly distributed.
func sample[T any](all []T, n int) []T {
	if full || len(all) <= n {
		return all
	}
	var out []T
	for i := range n {
		out = append(out, all[i*len(all)/n])
	}
	return out
}

// A tally counts the outcomes of faults.
type tally struct {
	injected, missed, good, failed, runtime int
	survived, interrupted                   map[string]int // by errno and call
}

func (h *host) faults(v *verb, state string, whole, init bool, n int) {
	h.t.Helper()
	begin := time.Now()
	t := tally{survived: map[string]int{}, interrupted: map[string]int{}}
	for _, f := range sample(faults(h.count(v, init), init), n) {
		h.prepare(v)
		where, status, text := h.inject(v, f)
		what := fmt.Sprintf("%s with %s at occurrence %d of %s", v.name, unix.ErrnoName(f.errno), f.nth, where)
		h.judge(&t, f, where, what, status, text, state, whole)
		h.gone(what)
	}
	h.t.Logf("%s: %d calls failed (%d more were not reached, or cannot fail in this way): the command succeeded %d times and failed cleanly %d times, Go's runtime gave up %d times; %d leaks, delete --force at most %v, %v in all",
		v.name, t.injected, t.missed, t.good, t.failed, t.runtime, h.leaks, h.slow.Round(time.Millisecond/10), time.Since(begin).Round(time.Second/10))
	h.list("succeeded in spite of", t.survived)
	h.list("failed because of", t.interrupted)
}

func (h *host) list(title string, what map[string]int) {
	for _, k := range slices.Sorted(maps.Keys(what)) {
		h.t.Logf("%s %s: %d", title, k, what[k])
	}
}

// judge checks how the command handled the fault, before anything is cleaned up.
func (h *host) judge(t *tally, f fault, where, what string, status unix.WaitStatus, text, state string, whole bool) {
	h.t.Helper()
	if where == "" {
		t.missed++
		return
	}
	t.injected++
	kind := strings.ReplaceAll(unix.ErrnoName(f.errno)+" "+where, h.ID, "ID")
	switch {
	case !status.Exited():
		h.t.Errorf("%s: %s: %s", what, describe(status), text)
	case gaveUp(text):
		t.runtime++
	case status.ExitStatus() == 0:
		t.good++
		if f.errno != unix.EINTR {
			t.survived[kind]++
		}
		h.expect(what, state)
	default:
		t.failed++
		if f.errno == unix.EINTR {
			t.interrupted[kind]++
		}
		if !strings.Contains(text, "minirun: ") || len(strings.TrimSpace(text)) < 20 {
			h.t.Errorf("%s: exit status %d without a useful message: %q", what, status.ExitStatus(), text)
		}
		if whole {
			h.clean(what + ", before delete --force (" + strings.TrimSpace(text) + ")")
		}
	}
}

// gaveUp reports whether the Go runtime ended the program because it could not get a resource that it
// needs itself. A panic does not count.
func gaveUp(text string) bool {
	return strings.Contains(text, "fatal error: ") || strings.Contains(text, "runtime: ") && !strings.Contains(text, "panic: ")
}

// expect compares the state after a success.
func (h *host) expect(what, state string) {
	h.t.Helper()
	if state == "" {
		h.clean(what + ", which succeeded")
		return
	}
	text, status := h.try("state", h.ID)
	for until := time.Now().Add(2 * time.Second); state == "stopped" && strings.Contains(text, `"running"`) && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond) // it dies by itself
		text, status = h.try("state", h.ID)
	}
	if status != 0 || !strings.Contains(text, `"`+state+`"`) {
		h.t.Errorf("%s succeeded: the container should be %s: %s", what, state, text)
	}
}

func TestFailedSystemCallLeavesNothing(t *testing.T) {
	for _, f := range faulty {
		t.Run(f.verb, func(t *testing.T) {
			h, v := newHost(t), verbCalled(f.verb)
			h.has(v.args[0])
			h.faults(v, f.state, f.whole, false, 10)
		})
	}
}

// Faults in the init's steps too: if one fails, the set-up must end with an error that has the
// reason.
func TestFailedSystemCallOfInitLeavesNothing(t *testing.T) {
	for _, f := range faulty[:2] {
		t.Run(f.verb, func(t *testing.T) { newHost(t).faults(verbCalled(f.verb), f.state, f.whole, true, 8) })
	}
}
