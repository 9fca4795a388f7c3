package crash

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// foreground is `run` that waits for its container: if it is killed, the container continues to run.
var foreground = verb{"run", nil, []string{"run", "ID", "BUNDLE"}}

// TestKillsAtRandomTimesLeaveNothing kills minirun at random times: also between system calls, and
// while several threads are running, which the tracer never tests.
func TestKillsAtRandomTimesLeaveNothing(t *testing.T) {
	hosts := []*host{newHost(t)}
	for _, k := range kinds {
		hosts = append(hosts, newHost(t, k.change...))
	}
	all := append([]verb{foreground}, verbs...)
	spans := map[string]time.Duration{}
	for i := range all {
		h := hosts[0]
		h.prepare(&all[i])
		spans[all[i].name] = h.span(&all[i])
		h.gone(all[i].name)
	}
	random := rand.New(rand.NewPCG(1, 2))
	counts, killed, total := map[string]int{}, 0, amount(40, 2000)
	for range total {
		h := hosts[0]
		if random.IntN(3) == 0 {
			h = hosts[random.IntN(len(hosts))]
		}
		h.t = t
		v := &all[random.IntN(len(all))]
		after := time.Duration(random.Int64N(int64(spans[v.name]) * 5 / 4))
		h.prepare(v)
		if h.killAfter(v, after) {
			killed++
		}
		counts[v.name]++
		h.gone(fmt.Sprintf("%s killed after %v", v.name, after))
	}
	leaks, slow := 0, time.Duration(0)
	for _, h := range hosts {
		leaks, slow = leaks+h.leaks, max(slow, h.slow)
	}
	t.Logf("%d commands %v, %d killed before they ended; %d leaks, delete --force at most %v", total, counts, killed, leaks, slow.Round(time.Millisecond/10))
}

// span returns the maximum time that a command takes; a command that waits for its container has
// started it within this time.
func (h *host) span(v *verb) time.Duration {
	h.t.Helper()
	begin := time.Now()
	h.killAfter(v, 30*time.Millisecond)
	return time.Since(begin)
}

// killAfter kills a command after some time, and reports whether the command was still running.
func (h *host) killAfter(v *verb, after time.Duration) bool {
	h.t.Helper()
	cmd := h.command(h.words(v.args)...)
	if err := finishWithin(cmd, after); err != nil {
		h.t.Fatal(err)
	}
	status, exited := cmd.ProcessState.ExitCode(), cmd.ProcessState.Exited()
	if exited && status != 0 {
		h.t.Errorf("%s, which was not killed: exit status %d: %s", v.name, status, h.text())
	}
	return !exited
}
