package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// descriptors returns the open descriptors of this process and what they refer to.
func descriptors(t *testing.T) map[string]string {
	t.Helper()
	return descriptorsOf(t, "self")
}

func descriptorsOf(t *testing.T, pid string) map[string]string {
	t.Helper()
	dir := "/proc/" + pid + "/fd"
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range list {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil { // the descriptor of the directory itself
			continue
		}
		out[e.Name()] = target
	}
	return out
}

func sameDescriptors(t *testing.T, before map[string]string) {
	t.Helper()
	if after := descriptors(t); !reflect.DeepEqual(after, before) {
		t.Errorf("open descriptors:\n%v\nbefore:\n%v", after, before)
	}
}

// noChildren fails if this process still has a child, running or not.
func noChildren(t *testing.T) {
	t.Helper()
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: wait4 gives %d, %v", pid, err)
	}
}

// run starts p, and kills it at the end of the test if it is still running.
func run(t *testing.T, p *plan.Plan, a Attr) *Process {
	t.Helper()
	if a.Files == nil {
		a.Files = standard
	}
	proc, err := Start(p, a)
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(limit, func() { _ = proc.Kill() })
	t.Cleanup(func() {
		late.Stop()
		if !proc.Reaped {
			_ = proc.Kill()
			_, _ = proc.Wait()
		}
		proc.Close()
	})
	return proc
}

// receive expects a message with this point.
func receive(t *testing.T, proc *Process, point uint32) Message {
	t.Helper()
	m, err := proc.Receive()
	if err != nil || m.Point != point {
		t.Fatalf("received %+v, %v; want point %d", m, err, point)
	}
	return m
}

func reply(t *testing.T, proc *Process) {
	t.Helper()
	if err := proc.Reply([]byte{1}); err != nil {
		t.Fatal(err)
	}
}

// exits expects the process to exit with this status.
func exits(t *testing.T, proc *Process, status int) {
	t.Helper()
	if got, err := proc.Wait(); err != nil || !got.Exited() || got.ExitStatus() != status {
		t.Fatalf("wait status %#x, %v; want exit status %d", got, err, status)
	}
}

// ended waits until the process has exited, without reaping it.
func ended(t *testing.T, proc *Process) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(proc.PidFD.Fd()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n != 1 || err != nil {
			t.Fatalf("the process has not ended: %v", err)
		}
		return
	}
}

// unread reports whether there is an unread message from the process.
func unread(t *testing.T, proc *Process) bool {
	t.Helper()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(proc.sync.Fd()), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

// state returns the state letter of proc_pid_stat(5).
func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 5000 {
		if f() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("waited in vain: %s", what)
}
