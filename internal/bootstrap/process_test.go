package bootstrap

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// TestDescriptorsOfNewProcess: Closed leaves a descriptor closed, and Extra comes after the socket.
func TestDescriptorsOfNewProcess(t *testing.T) {
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
	if len(open) != 4 || open["1"] == "" || !strings.HasPrefix(open["3"], "socket:") || open["4"] != "/dev/null" ||
		open["6"] != "/dev/null" {
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
			t.Errorf("%d files after the socket: open are %v", n, open)
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
		"flags that contradict": {Attr{Files: standard, Cloneflags: unix.CLONE_NEWNS | unix.CLONE_FS}, unix.EINVAL,
			"CLONE_NEWNS"},
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

// TestDescriptorOfProcess fetches a file that exists only in the process.
func TestDescriptorOfProcess(t *testing.T) {
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
		plan.Clone, plan.Int(unix.CLONE_PARENT|uintptr(unix.SIGCHLD)), plan.Int(0), plan.Int(0), plan.Int(0),
		plan.Int(0))
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
