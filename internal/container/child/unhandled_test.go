package child

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestDiscardedSignals: only the first process of a PID namespace does not get a signal without a
// handler.
func TestDiscardedSignals(t *testing.T) {
	const none = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n"
	for _, c := range []struct {
		what, status  string
		want, blocked bool
	}{
		{"PID 1 without handlers", "NSpid:\t812\t1\n" + none, true, false},
		{"another process of the namespace", "NSpid:\t812\t7\n" + none, false, false},
		{"a process of the host", "NSpid:\t812\n" + none, false, false},
		{"PID 1 of the host", "NSpid:\t1\n" + none, false, false},
		{"a handler", "NSpid:\t812\t1\nSigCgt:\t0000000000000002\n", false, false},
		{"ignored", "NSpid:\t812\t1\nSigIgn:\t0000000000000002\n", false, false},
		{"blocked", "NSpid:\t812\t1\nSigBlk:\t0000000000000002\n", true, true},
		{"another signal is handled", "NSpid:\t812\t1\nSigCgt:\t0000000000004000\n", true, false},
		{"nested namespaces", "NSpid:\t812\t9\t1\n" + none, true, false},
		{"no status", "", false, false},
	} {
		if got, blocked := discards(c.status, unix.SIGINT); got != c.want || blocked != c.blocked {
			t.Errorf("%s: %v, blocked %v", c.what, got, blocked)
		}
	}
}
