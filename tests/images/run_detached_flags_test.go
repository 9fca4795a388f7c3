package images

import "testing"

// TestStopTimeoutOfContainer: stop waits as long as run --stop-timeout specifies, unless it has --time.
func TestStopTimeoutOfContainer(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"))
	id := name("patient")
	s.Do("run", "-d", "--name", id, "--stop-timeout", "0", "busybox")
	s.Do("stop", id)
	if got := s.Do("wait", id); got != "137" {
		t.Errorf("status %s", got)
	}
	s.Do("rm", id)
}

// TestLogDriverNone: the output is discarded, and logs says why there is none.
func TestLogDriverNone(t *testing.T) {
	s := loaded(t, runs("sh", "-c", "echo out; echo err >&2"))
	for _, flags := range [][]string{nil, {"-t"}} {
		id := name("quiet")
		s.Do(append(append([]string{"run", "-d", "--log-driver", "none", "--name", id}, flags...), "busybox")...)
		if got := s.Do("wait", id); got != "0" {
			t.Errorf("status %s", got)
		}
		s.Minirun("logs", id).Fails(t, "--log-driver none")
		s.Do("rm", id)
	}
}
