package hostile

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A spy is a container with CAP_SYS_PTRACE whose program stops every process that enters its PID
// namespace before the process executes its program.
type spy struct {
	*testbundle.Bundle
	pid  int // PID of the container's first process, on the host
	out  *bufio.Scanner
	wait func()
}

// newSpy starts a spy that has the given capabilities.
func newSpy(t *testing.T, caps []string, change ...func(*specs.Spec)) *spy {
	t.Helper()
	change = append([]func(*specs.Spec){testbundle.Args("probe", "seize", "/stop")}, change...)
	change = append(change, testbundle.Can(caps...), func(s *specs.Spec) { s.Process.NoNewPrivileges = false })
	s := &spy{Bundle: testbundle.New(t, change...)}
	s.Write()
	pidFile := filepath.Join(filepath.Dir(s.Dir), "pid")
	cmd := s.Command("run", "--pid-file", pidFile, s.ID, s.Dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.Start(cmd)
	s.out, s.wait = bufio.NewScanner(out), func() { _ = cmd.Wait() }
	if !s.out.Scan() || s.out.Text() != "ready" {
		t.Fatalf("the spy says %q", s.out.Text())
	}
	text, err := os.ReadFile(pidFile)
	if err == nil {
		s.pid, err = strconv.Atoi(string(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// report ends the spy. It returns what the stopped processes had, and how many there were.
func (s *spy) report(t *testing.T) (found []string, stopped int) {
	t.Helper()
	s.File("/stop", "", 0o644)
	for s.out.Scan() {
		if count, last := strings.CutPrefix(s.out.Text(), "stopped in the set-up: "); last {
			stopped, _ = strconv.Atoi(count)
			continue
		}
		found = append(found, s.out.Text())
	}
	s.wait()
	return found, stopped
}

// spyOn lets a spy watch for n processes that enter, and returns what the stopped ones had. On a busy
// machine the spy may get no CPU time while a process is in its set-up: then another process enters.
func spyOn(t *testing.T, n int, start func() *spy, comeIn func(*spy)) []string {
	t.Helper()
	for range 10 {
		s := start()
		for range n {
			comeIn(s)
		}
		found, stopped := s.report(t)
		t.Logf("stopped %d of %d in the set-up: %q", stopped, n, found)
		if stopped > 0 {
			return found
		}
	}
	t.Error("no spy stopped a process in its set-up, so nothing is shown")
	return nil
}

// TestSpyOnExec: a process that joins a container is traced during its set-up by a process in the
// container that has CAP_SYS_PTRACE (the class is that of CVE-2016-9962). At that time the traced
// process has nothing that the container does not have.
func TestSpyOnExec(t *testing.T) {
	testbundle.Need(t)
	n := testbundle.SpiedOn(t)
	docker := func(s *specs.Spec) { // loaded before the clone: see process.Arrives
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"mount", "unshare", "setns"}, Action: specs.ActErrno},
		}}
	}
	ptrace := []string{"CAP_SYS_PTRACE"}
	for _, c := range []struct {
		name   string
		caps   []string
		change func(*specs.Spec)
		flags  []string
	}{
		{"ptrace", ptrace, nil, nil},
		{"ptrace and admin", []string{"CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}, nil, nil},
		{"another user", append(ptrace, "CAP_SETUID"), nil, []string{"-u", "1000:1000"}},
		{"seccomp", ptrace, docker, nil},
		{"seccomp and no_new_privs", ptrace, docker, []string{"--no-new-privs"}},
		{"limits", ptrace, func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 50, Hard: 60}, {Type: "RLIMIT_NOFILE", Soft: 50, Hard: 60}}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			change := c.change
			if change == nil {
				change = func(*specs.Spec) {}
			}
			found := spyOn(t, n, func() *spy { return newSpy(t, c.caps, change) }, func(s *spy) {
				s.Minirun(append(append([]string{"exec"}, c.flags...), s.ID, "true")...).Exit(t, 0)
			})
			for _, f := range found {
				if more := testbundle.Excess(f, c.caps, "0", "1000"); more != nil {
					t.Errorf("a process on its way into the container has more than the container: %q, of %q", more, f)
				}
			}
		})
	}
}

// TestSpyHoldsExec: a process in the container stops a process that enters, forever. The container
// can still be deleted, and `exec` ends.
func TestSpyHoldsExec(t *testing.T) {
	testbundle.Need(t)
	for range 10 {
		if holdExec(t) {
			return
		}
	}
	t.Error("10 times the spy stopped a process only when it was ending")
}

// holdExec runs exec until the spy stops its process, and deletes the container then. It returns
// false if the spy came too late: the process was already ending, so that exec ended by itself.
func holdExec(t *testing.T) bool {
	s := newSpy(t, []string{"CAP_SYS_PTRACE"}, func(spec *specs.Spec) { spec.Process.Args = []string{"probe", "seize", "/stop", "hold"} })
	held := make(chan bool, 1)
	go func() { held <- s.out.Scan() && s.out.Text() == "holding" }()
	ended := make(chan int, 1)
	for range 1000 {
		cmd := s.Command("exec", s.ID, "true")
		s.Start(cmd)
		go func() {
			_ = cmd.Wait()
			ended <- cmd.ProcessState.ExitCode()
		}()
		select {
		case status := <-ended:
			if status != 0 {
				t.Fatalf("exec ends with status %d", status)
			}
			continue
		case ok := <-held:
			if !ok {
				t.Fatal("the spy ended")
			}
		}
		late := false
		select {
		case <-ended:
			late = true
		case <-time.After(2 * time.Second):
		}
		s.Minirun("delete", "--force", s.ID).Exit(t, 0)
		if !late && <-ended == 0 {
			t.Error("exec succeeded in a container that was killed before")
		}
		s.wait()
		return !late
	}
	t.Fatal("the spy held none of 1000 processes")
	return false
}

// TestSpyInUserNamespace: from inside a user namespace no process can be traced before its execve:
// its memory belongs to the host's user namespace, and it is not dumpable (ptrace(2), "Ptrace access
// mode checking", 4).
func TestSpyInUserNamespace(t *testing.T) {
	testbundle.Need(t)
	s := newSpy(t, []string{"CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}, testbundle.UserNS)
	for range 30 {
		s.Minirun("exec", s.ID, "true").Exit(t, 0)
	}
	if found, stopped := s.report(t); stopped > 0 {
		t.Errorf("the spy stopped %d processes in their set-up: %q", stopped, found)
	}
}

// TestSpyOnJoiningContainer: the same for a container's first process, whose config.json joins the
// PID namespace of another container.
func TestSpyOnJoiningContainer(t *testing.T) {
	testbundle.Need(t)
	n := testbundle.SpiedOn(t)
	caps := []string{"CAP_SYS_PTRACE"}
	joining := testbundle.New(t, testbundle.Args("true"), testbundle.Can(caps...))
	if testbundle.OlderKernel(t, 6, 18) {
		// In this case a proc file system must be mounted from inside the PID namespace.
		testbundle.NoMount(func(at string) bool { return at == "/proc" })(joining.Spec)
		joining.Spec.Linux.MaskedPaths, joining.Spec.Linux.ReadonlyPaths = nil, nil
	}
	own := joining.Spec.Linux.Namespaces
	found := spyOn(t, n, func() *spy { return newSpy(t, caps) }, func(s *spy) {
		joining.Spec.Linux.Namespaces = slices.Clone(own)
		testbundle.With(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", s.pid))(joining.Spec)
		joining.Run().Exit(t, 0)
	})
	for _, f := range found {
		// The joining container has a separate root.
		more := slices.DeleteFunc(testbundle.Excess(f, caps, "0"), func(word string) bool { return word == "another" || word == "root" })
		if len(more) > 0 {
			t.Errorf("a process on its way into the PID namespace has more than its container: %q, of %q", more, f)
		}
	}
}

// TestSpyDetectsPrivilegedProgram tests the spy itself: it detects a program of the host that enters a
// container with all its privileges.
func TestSpyDetectsPrivilegedProgram(t *testing.T) {
	testbundle.Need(t)
	helper, err := exec.LookPath("nsenter")
	if err != nil {
		t.Skip("needs nsenter of util-linux: ", err)
	}
	caps := []string{"CAP_SYS_PTRACE"}
	s := newSpy(t, caps)
	// A copy of nsenter, named as the spy expects it, clones and then waits in the container with all
	// its capabilities.
	fd, err := unix.MemfdCreate("minirun-plan", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	program, err := os.ReadFile(helper)
	if err == nil {
		_, err = unix.Write(fd, program)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 60 { // on a busy machine the spy seldom gets CPU time
		cmd := exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), "-p", "-t", strconv.Itoa(s.pid), "/bin/true")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	found, stopped := s.report(t)
	seen := slices.ContainsFunc(found, func(f string) bool { return testbundle.Excess(f, caps, "0") != nil })
	if stopped == 0 || !seen {
		t.Errorf("the spy does not see what a process with all capabilities has: stopped %d: %q", stopped, found)
	}
}
