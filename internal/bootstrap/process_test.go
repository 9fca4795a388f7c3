package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
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

var standard = []int{0, 1, 2}

// limit stops a process that a bug in the loop keeps running.
const limit = 20 * time.Second

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
			if err := unix.SetsockoptTimeval(int(theirs.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 60}); err != nil {
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

// TestFiles: Closed leaves a descriptor closed, and Extra comes after the socket.
func TestFiles(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	b := plan.NewBuilder(3)
	gone := b.Label()
	b.Tell("tell", "", b.Message(1))
	b.Await("await", "", b.Room(8), 8, gone)
	b.Place(gone)
	end(b, 0)
	proc := run(t, b.Plan(), Attr{Files: []int{Closed, 1, Closed}, Extra: []*os.File{null, nil, null}})
	receive(t, proc, 1)
	open := descriptorsOf(t, strconv.Itoa(proc.Pid))
	if len(open) != 4 || open["1"] == "" || !strings.HasPrefix(open["3"], "socket:") || open["4"] != "/dev/null" || open["6"] != "/dev/null" {
		t.Errorf("open descriptors %v: want 1, the socket as 3, /dev/null as 4 and 6", open)
	}
}

// TestManyFiles: whatever descriptors the files get, the image is started. With a bug, a file that
// got the image's number was executed instead.
func TestManyFiles(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	before := descriptors(t)
	for n := range 48 {
		// ForkExec first moves up descriptors whose numbers are lower than their targets.
		files := []int{2, 1, 0}
		var extra []*os.File
		for len(extra) < n {
			extra = append(extra, []*os.File{null, os.Stdin, null}[len(extra)%3])
		}
		proc, err := Start(askPlan(1), Attr{Files: files, Extra: extra})
		if err != nil {
			t.Fatalf("%d files behind the socket: %v", n, err)
		}
		receive(t, proc, 1)
		if open := descriptorsOf(t, strconv.Itoa(proc.Pid)); len(open) != 4+n {
			t.Errorf("%d files behind the socket: open are %v", n, open)
		}
		reply(t, proc)
		exits(t, proc, 0)
		proc.Close()
	}
	sameDescriptors(t, before)
}

// TestNoLeaks starts many processes that exit in all possible ways.
func TestNoLeaks(t *testing.T) {
	noChildren(t)
	before := descriptors(t)
	for i := range 200 {
		p := askPlan(1)
		if i%3 == 0 {
			p = failingPlan()
		}
		proc, err := Start(p, Attr{Files: standard})
		if err != nil {
			t.Fatal(err)
		}
		switch _, err := proc.Receive(); {
		case i%3 == 0:
			var failed *ErrFailed
			if !errors.As(err, &failed) {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatal(err)
		case i%3 == 1:
			reply(t, proc)
		default:
			if err := proc.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := proc.Wait(); err != nil {
			t.Fatal(err)
		}
		proc.CloseSync() // may be called twice, together with Close
		proc.Close()
	}
	sameDescriptors(t, before)
	noChildren(t)
}

// TestStartErrors: after an error there is neither a process nor a descriptor.
func TestStartErrors(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	noChildren(t)
	before := descriptors(t)
	for name, c := range map[string]struct {
		attr  Attr
		errno unix.Errno
		text  string
	}{
		"flags that contradict": {Attr{Files: standard, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_FS}, unix.EINVAL, "CLONE_NEWNS"},
		"thread flags":          {Attr{Files: standard, Cloneflags: unix.CLONE_THREAD}, unix.EINVAL, "0x10000"},
		"a cgroup that is none": {Attr{Files: standard, Cgroup: dir}, unix.EBADF, dir.Name()},
	} {
		t.Run(name, func(t *testing.T) {
			proc, err := Start(askPlan(1), c.attr)
			if !errors.Is(err, c.errno) || proc != nil {
				t.Fatalf("Start gives %v, %v; want %v", proc, err, c.errno)
			}
			if !strings.Contains(err.Error(), c.text) {
				t.Errorf("%q does not say %q", err, c.text)
			}
			sameDescriptors(t, before)
			noChildren(t)
		})
	}
}

// TestDescriptor fetches a file that exists only in the process.
func TestDescriptor(t *testing.T) {
	b := plan.NewBuilder(3)
	gone, m := b.Label(), b.Message(1, "fd")
	b.Add(plan.Op{Name: "make a file without a name", Out: m.A},
		plan.Openat, cwd, b.Str(t.TempDir()), plan.Int(unix.O_TMPFILE|unix.O_RDWR), plan.Int(0o600))
	b.Add(plan.Op{Name: "write"}, plan.Write, plan.Of(m.A), b.Str("inside"), plan.Int(6))
	b.Tell("tell", "", m)
	b.Await("await", "", b.Room(8), 8, gone)
	b.Place(gone)
	end(b, 0)
	proc := run(t, b.Plan(), Attr{})
	msg := receive(t, proc, 1)
	f, err := proc.Descriptor(int(msg.A), "file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reply(t, proc)
	exits(t, proc, 0)
	got := make([]byte, 10)
	if n, _ := f.ReadAt(got, 0); string(got[:n]) != "inside" || f.Name() != "file" {
		t.Errorf("the file %s holds %q", f.Name(), got[:n])
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the fetched descriptor is not close-on-exec: %#x, %v", flags, err)
	}
	if _, err := proc.Descriptor(int(msg.A), "file"); err == nil || !strings.Contains(err.Error(), "file") {
		t.Errorf("Descriptor of an ended process: %v", err)
	}
}

// siblingPlan clones a sibling, which asks a question, and exits.
func siblingPlan() *plan.Plan {
	b := plan.NewBuilder(3)
	child, gone, m := b.Label(), b.Label(), b.Message(1, "pid")
	b.Add(plan.Op{Name: "clone", Out: m.A, Then: plan.Then{Zero: child}},
		plan.Clone, plan.Int(unix.CLONE_PARENT|uintptr(unix.SIGCHLD)), plan.Int(0), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Tell("tell", "", m)
	end(b, 21)
	b.Place(child)
	b.Await("await", "", b.Room(8), 8, gone)
	b.Tell("tell", "", b.Message(2))
	b.Add(plan.Op{Name: "fail"}, plan.Fchdir, plan.Int(999))
	b.Place(gone)
	end(b, 22)
	return b.Plan()
}

func TestBecome(t *testing.T) {
	before := descriptors(t)
	proc, err := Start(siblingPlan(), Attr{Files: standard})
	if err != nil {
		t.Fatal(err)
	}
	m := receive(t, proc, 1)
	first := proc.Pid
	exits(t, proc, 21)
	if err := proc.Become(int(m.A)); err != nil {
		t.Fatal(err)
	}
	if proc.Pid == first || proc.Pid != int(m.A) || proc.Reaped {
		t.Errorf("pid %d after %d, reaped %v", proc.Pid, first, proc.Reaped)
	}
	reply(t, proc)
	receive(t, proc, 2)
	var failed *ErrFailed
	if _, err := proc.Receive(); !errors.As(err, &failed) || *failed != (ErrFailed{5, unix.EBADF}) {
		t.Errorf("the sibling reports %v", err)
	}
	exits(t, proc, 1)
	proc.Close()
	sameDescriptors(t, before)
	noChildren(t)
}

// TestBecomeRefuses: a PID that a process was tricked into reporting must not make the parent act
// on another process.
func TestBecomeRefuses(t *testing.T) {
	proc := run(t, askPlan(1), Attr{})
	for _, stranger := range []int{1, os.Getpid(), os.Getppid(), 0, -1, 1 << 30} {
		// A copy: the clean-up must not kill a process that it became by mistake.
		fd, err := unix.PidfdOpen(proc.Pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		victim := &Process{Pid: proc.Pid, PidFD: os.NewFile(uintptr(fd), "pidfd")}
		before := descriptors(t)
		if err := victim.Become(stranger); err == nil || victim.Pid != proc.Pid {
			t.Errorf("became process %d", stranger)
		}
		sameDescriptors(t, before)
		victim.PidFD.Close()
	}
}

func TestKill(t *testing.T) {
	proc := run(t, askPlan(1), Attr{})
	receive(t, proc, 1)
	if err := proc.Kill(); err != nil {
		t.Fatal(err)
	}
	status, err := proc.Wait()
	if err != nil || status.Signal() != unix.SIGKILL {
		t.Errorf("wait status %#x, %v", status, err)
	}
	if err := proc.Kill(); err != nil {
		t.Errorf("Kill after the end: %v", err)
	}
	if _, err := proc.Receive(); err != io.EOF {
		t.Errorf("Receive after the end: %v", err)
	}
}

// TestReportBehindUnreadAnswer: if the process has not read all answers, the kernel returns
// ECONNRESET before the report.
func TestReportBehindUnreadAnswer(t *testing.T) {
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

// TestReplyToTheDead: if there is no report, the socket's error is returned.
func TestReplyToTheDead(t *testing.T) {
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
