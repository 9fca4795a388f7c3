package signals

import (
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func next(t *testing.T, q *Queue) []unix.Signal {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(q.FD), Events: unix.POLLIN}}
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		if n, _ := unix.Poll(fds, 100); n == 1 {
			got, err := q.Pending()
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
	}
	t.Fatal("no signal has come")
	return nil
}

func TestEverySignalIsDelivered(t *testing.T) {
	q, err := Catch()
	if err != nil {
		t.Fatal(err)
	}
	for s := unix.Signal(1); s <= maxSignal; s++ {
		if !isForwarded(s) {
			continue
		}
		if err := unix.Kill(os.Getpid(), s); err == unix.EINVAL && s > 40 {
			t.Logf("signal %d: not sent: an emulator keeps it for itself", s)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if got := next(t, q); !slices.Equal(got, []unix.Signal{s}) {
			t.Errorf("sent %d (%s), got %v", s, unix.SignalName(s), got)
		}
	}
	if got, err := q.Pending(); err != nil || len(got) != 0 {
		t.Errorf("an empty queue gives %v, %v", got, err)
	}
}

// TestSignalsStayQueued: no signal is lost if all numbers are different, even if they are not read and
// the program keeps all its threads busy.
func TestSignalsStayQueued(t *testing.T) {
	q, err := Catch()
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	for range 4 {
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					_ = make([]byte, n%4096) // triggers the garbage collector and its own signals
				}
			}
		}()
	}
	const sent = 1000
	for range sent {
		if err := unix.Kill(os.Getpid(), 40); err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for limit := time.Now().Add(10 * time.Second); got < sent && time.Now().Before(limit); {
		list, err := q.Pending()
		if err != nil {
			t.Fatal(err)
		}
		got += len(list)
	}
	close(stop)
	if got != sent { // the kernel queues real-time signals
		t.Errorf("sent %d, got %d", sent, got)
	}
}
