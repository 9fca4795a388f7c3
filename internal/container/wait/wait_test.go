package wait

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/signals"
)

// TestPollWithPastDeadlineReturns: a deadline in the past must not cause an infinite wait.
func TestPollWithPastDeadlineReturns(t *testing.T) {
	ended := make(chan error, 1)
	go func() { ended <- Poll(nil, -time.Hour) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
}

// TestLaterTerminationIsSeen: the SIGCONT that kill(1) of a shell sends after SIGTERM may arrive first. A
// background job that was stopped again then would not end.
func TestLaterTerminationIsSeen(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	s := &Signals{Queue: &signals.Queue{FD: fds[0]}}
	send := func(signal unix.Signal) {
		if _, err := unix.Write(fds[1], []byte{byte(signal)}); err != nil {
			t.Error(err)
		}
	}
	send(unix.SIGCONT)
	go func() {
		time.Sleep(settle / 8)
		send(unix.SIGTERM)
	}()
	var interrupted *Interrupted
	if err := s.awaitQuiet(func() bool { return true }); !errors.As(err, &interrupted) || interrupted.Signal != unix.SIGTERM {
		t.Errorf("%v", err)
	}
	if err := s.awaitQuiet(func() bool { return false }); err != nil {
		t.Error(err)
	}
}
