package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

var standard = []int{0, 1, 2}

// limit stops a process that a bug in the loop keeps running.
const limit = 20 * time.Second

func TestSyncPoints(t *testing.T) {
	proc := run(t, askPlan(3), Attr{})
	for point := range 3 {
		receive(t, proc, uint32(point)+1)
		reply(t, proc)
	}
	if m, err := proc.Receive(); err != io.EOF {
		t.Errorf("received %v, %v", m, err)
	}
	exits(t, proc, 0)
}

// TestParentGone: a waiting process must not continue after its parent is gone, whether or not the
// parent had read its last message.
func TestParentGone(t *testing.T) {
	for _, read := range []bool{true, false} {
		t.Run(fmt.Sprint("message read: ", read), func(t *testing.T) {
			proc := run(t, askPlan(1), Attr{})
			if read {
				receive(t, proc, 1)
			} else {
				waitFor(t, "the process waits", func() bool { return state(t, proc.Pid) == "S" && unread(t, proc) })
			}
			proc.CloseSync()
			exits(t, proc, 9)
		})
	}
}

// TestInterruptedWait: a read is repeated after a stop signal has interrupted it. The kernel
// returns EINTR only if the socket has a timeout, signal(7).
func TestInterruptedWait(t *testing.T) {
	loop := askPlan(1)
	strict := askPlan(1)
	for i := range strict.Steps {
		strict.Steps[i].On = nil
	}
	for name, p := range map[string]*plan.Plan{"Await": loop, "without the loop": strict} {
		t.Run(name, func(t *testing.T) {
			proc := run(t, p, Attr{})
			receive(t, proc, 1)
			theirs, err := proc.Descriptor(3, "socket")
			if err != nil {
				t.Skip(err) // pidfd_getfd is not available
			}
			defer theirs.Close()
			if err := unix.SetsockoptTimeval(int(theirs.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO,
				&unix.Timeval{Sec: 60}); err != nil {
				t.Fatal(err)
			}
			// A read that is already waiting has no timeout, but the next one has: two stops cause
			// an EINTR.
			stop := func() {
				waitFor(t, "it waits or has ended", func() bool { return strings.Contains("SZ", state(t, proc.Pid)) })
				if state(t, proc.Pid) == "Z" {
					return
				}
				if err := unix.Kill(proc.Pid, unix.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				waitFor(t, "it has stopped", func() bool { return state(t, proc.Pid) == "T" })
				if err := unix.Kill(proc.Pid, unix.SIGCONT); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			stop()
			if name != "Await" {
				// This shows that there was an EINTR.
				var failed *ErrFailed
				if _, err := proc.Receive(); !errors.As(err, &failed) || *failed != (ErrFailed{1, unix.EINTR}) {
					t.Fatalf("received %v, want step 1: EINTR", err)
				}
				exits(t, proc, 1)
				return
			}
			waitFor(t, "it waits", func() bool { return state(t, proc.Pid) == "S" })
			reply(t, proc)
			exits(t, proc, 0)
		})
	}
}

// TestWaitingProcess checks which of the host's resources a waiting process holds.
func TestWaitingProcess(t *testing.T) {
	// A descriptor that an engine might leave open: not close-on-exec.
	leak, err := unix.Open("/", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)
	proc := run(t, askPlan(1), Attr{})
	receive(t, proc, 1)
	pid := strconv.Itoa(proc.Pid)

	open := descriptorsOf(t, pid)
	own := descriptors(t)
	for _, fd := range []string{"0", "1", "2"} {
		if open[fd] != own[fd] {
			t.Errorf("descriptor %s leads to %q, want %q", fd, open[fd], own[fd])
		}
	}
	if len(open) != 4 || !strings.HasPrefix(open["3"], "socket:") {
		t.Errorf("open descriptors %v: want 0 to 2 and the socket", open)
	}

	exe, err := os.Readlink("/proc/" + pid + "/exe")
	if err != nil || exe != "/memfd:minirun-plan (deleted)" {
		t.Errorf("/proc/PID/exe leads to %q, %v", exe, err)
	}
	f, err := os.OpenFile("/proc/"+pid+"/exe", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, unix.ETXTBSY) {
		t.Errorf("open of /proc/PID/exe for writing: %v, want ETXTBSY", err)
	}

	environ, err1 := os.ReadFile("/proc/" + pid + "/environ")
	cmdline, err2 := os.ReadFile("/proc/" + pid + "/cmdline")
	if err := errors.Join(err1, err2); err != nil || len(environ) != 0 || string(cmdline) != "minirun-init\x00" {
		t.Errorf("environment %q, arguments %q, %v", environ, cmdline, err)
	}

	pss := memory(t, pid, "Pss")
	t.Logf("Pss of the waiting process: %d KiB, Rss %d KiB", pss, memory(t, pid, "Rss"))
	if pss <= 0 || pss >= 100 {
		t.Errorf("Pss is %d KiB, want less than 100", pss)
	}

	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if f := strings.Fields(line); strings.Contains(f[1], "w") && strings.Contains(f[1], "x") {
			t.Errorf("memory that can be written and executed: %s", line)
		} else if len(f) > 5 && f[5][0] == '/' && f[5] != "/memfd:minirun-plan" {
			t.Errorf("a file of the host is mapped: %s", line)
		}
	}
	reply(t, proc)
	exits(t, proc, 0)
}

// memory returns a field of smaps_rollup, in KiB.
func memory(t *testing.T, pid, field string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[0] == field+":" {
			n, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in %s", field, b)
	return 0
}

// TestReportAfterUnreadAnswer: if the process has not read all answers, the kernel returns
// ECONNRESET before the report.
func TestReportAfterUnreadAnswer(t *testing.T) {
	want := ErrFailed{2, unix.ENOENT}
	for name, why := range map[string]func(proc *Process) error{
		"Receive": func(proc *Process) error { _, err := proc.Receive(); return err },
		"Reply":   func(proc *Process) error { return proc.Reply([]byte{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			b := plan.NewBuilder(3)
			gone := b.Label()
			b.Await("await", "", b.Room(8), 8, gone)
			b.Tell("tell", "", b.Message(1))
			b.Add(plan.Op{Name: "fail"}, plan.Chdir, b.Str("/does/not/exist"))
			b.Place(gone)
			end(b, 0)
			proc := run(t, b.Plan(), Attr{})
			if err := unix.Kill(proc.Pid, unix.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			reply(t, proc) // read by await
			reply(t, proc) // never read
			if err := unix.Kill(proc.Pid, unix.SIGCONT); err != nil {
				t.Fatal(err)
			}
			ended(t, proc)
			if name == "Receive" {
				receive(t, proc, 1)
			}
			var failed *ErrFailed
			if err := why(proc); !errors.As(err, &failed) || *failed != want {
				t.Errorf("%v, want %v", err, &want)
			}
		})
	}
}

// TestReplyToExitedProcess: if there is no report, the socket's error is returned.
func TestReplyToExitedProcess(t *testing.T) {
	proc := run(t, emptyPlan(), Attr{})
	ended(t, proc)
	if err := proc.Reply([]byte{1}); !errors.Is(err, unix.EPIPE) {
		t.Errorf("%v, want EPIPE", err)
	}
}

// TestSocketClosedByPlan: a process without a socket cannot report, but still exits.
func TestSocketClosedByPlan(t *testing.T) {
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Int(3))
	b.Add(plan.Op{Name: "fail"}, plan.Chdir, b.Str("/does/not/exist"))
	end(b, 0)
	proc := run(t, b.Plan(), Attr{})
	if _, err := proc.Receive(); err != io.EOF {
		t.Errorf("received %v", err)
	}
	exits(t, proc, 1)
}

// TestExecveClosesSync: the end of file arrives at execve, not when the program exits.
func TestExecveClosesSync(t *testing.T) {
	stdin, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "close the socket at execve"},
		plan.CloseRange, plan.Int(3), plan.Int(uint32(0xffffffff)), plan.Int(unix.CLOSE_RANGE_CLOEXEC))
	b.Add(plan.Op{Name: "become sh"},
		plan.Execve, b.Str("/bin/sh"), b.Strs([]string{"sh", "-c", "read x; exit 33"}), b.Strs(nil))
	proc := run(t, b.Plan(), Attr{Files: []int{int(stdin.Fd()), 1, 2}})
	stdin.Close()
	if _, err := proc.Receive(); err != io.EOF {
		t.Fatalf("received %v", err)
	}
	if s := state(t, proc.Pid); s == "Z" {
		t.Error("the program has ended already")
	}
	fmt.Fprintln(input)
	exits(t, proc, 33)
}
