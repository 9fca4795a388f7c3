package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// A process of `exec` is cloned into the container's PID namespace at the end of its set-up, when the
// process is already under its limits. These must not prevent the clone.

// TestExecIntoFullCgroup: exec still works in a container that has reached its limit of processes,
// and the process is then in its cgroups.
func TestExecIntoFullCgroup(t *testing.T) {
	for _, limit := range []int64{1, 2} {
		b, _ := up(t, func(s *specs.Spec) {
			s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}}
		})
		r := b.Minirun("exec", b.ID, "cat", "/proc/self/cgroup")
		r.Exit(t, 0)
		first := b.Minirun("exec", b.ID, "cat", "/proc/1/cgroup")
		first.Exit(t, 0)
		if r.Stdout != first.Stdout {
			t.Errorf("limit %d: the process is in\n%s\nthe first one in\n%s", limit, r.Stdout, first.Stdout)
		}
		in(b, "true & wait").Fails(t, "") // the limit still applies
	}
}

// TestJoinPIDNamespaceWithLimit: the same for a container's first process.
func TestJoinPIDNamespaceWithLimit(t *testing.T) {
	_, pid := up(t)
	one := int64(1)
	joining := testbundle.New(t, testbundle.Args("cat", "/proc/self/cgroup"), with(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &one}}
	})
	r := joining.Run()
	r.Exit(t, 0)
	if !strings.Contains(r.Stdout, joining.ID) {
		t.Errorf("the process is not in the container's cgroups: %s", r.Stdout)
	}
}

// TestExecProcessLimit: RLIMIT_NPROC counts the process that runs, and not the process that cloned
// it.
func TestExecProcessLimit(t *testing.T) {
	const uid = 54321 // used by nothing else in the tests
	b, _ := up(t, testbundle.User(uid, uid), func(s *specs.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NPROC", Soft: 2, Hard: 3}}
	})
	r := b.Minirun("exec", b.ID, "grep", "Max processes", "/proc/self/limits")
	r.Exit(t, 0)
	if got := strings.Join(strings.Fields(r.Stdout), " "); got != "Max processes 2 3 processes" {
		t.Errorf("the limit is %q", got)
	}
}

// TestExecScheduler: policies that a child does not inherit, or that do not allow a child.
func TestExecScheduler(t *testing.T) {
	b, _ := up(t, func(s *specs.Spec) {
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
	})
	const batch = 3
	r := b.Minirun("exec", b.ID, "probe", "sched")
	r.Exit(t, 0)
	if want := fmt.Sprintf("policy=%d nice=5 ", batch); !strings.HasPrefix(r.Stdout, want) {
		t.Errorf("%q, want %q", r.Stdout, want)
	}
}

// TestExecFilterForbidsClone: exec works with a seccomp profile that forbids cloning processes.
func TestExecFilterForbidsClone(t *testing.T) {
	profile := func(s *specs.Spec) {
		s.Process.NoNewPrivileges = false
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"clone", "clone3", "fork", "vfork"}, Action: specs.ActErrno, ErrnoRet: ptr(uint(unix.ENOTNAM))},
		}}
	}
	b, _ := up(t, profile)
	r := b.Minirun("exec", b.ID, "grep", "-E", "^(CapEff|Seccomp):", "/proc/self/status")
	first := b.Minirun("exec", b.ID, "grep", "-E", "^(CapEff|Seccomp):", "/proc/1/status")
	r.Exit(t, 0)
	if r.Stdout != first.Stdout {
		t.Errorf("the process has\n%s\nthe first one\n%s", r.Stdout, first.Stdout)
	}
	spy, _ := up(t, testbundle.Can("CAP_SYS_PTRACE"), profile)
	spy.Minirun("exec", spy.ID, "true").Fails(t, "linux.seccomp", "CAP_SYS_PTRACE", "hint: ", "--no-new-privs")
	spy.Minirun("exec", "--no-new-privs", spy.ID, "true").Exit(t, 0)
}

// TestExecWorkingDirectoryInProc: /proc/self exists only after the process is in its PID namespace.
func TestExecWorkingDirectoryInProc(t *testing.T) {
	b, _ := up(t)
	b.Minirun("exec", "--cwd", "/proc/self", b.ID, "sh", "-c", `test "$(pwd)" = /proc/$$`).Exit(t, 0)
}

// TestJoinPIDNamespaceTerminal: the terminal belongs to the session of the process that was cloned
// last, also after `create`.
func TestJoinPIDNamespaceTerminal(t *testing.T) {
	_, pid := up(t)
	b := testbundle.New(t, testbundle.Sh("tty; echo visible >/dev/tty; ps -o pid,args | grep -c 'sleep 100[0]'"),
		with(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)))
	b.Spec.Process.Terminal = true
	r := b.RunTerminal()
	r.Exit(t, 0)
	if got := strings.Join(strings.Fields(r.Stdout), " "); got != "/dev/pts/0 visible 1" {
		t.Errorf("the terminal shows %q", got)
	}
}

// TestExecFilterForbidsSocketpair: exec creates no socket for start, so a profile need not allow it.
func TestExecFilterForbidsSocketpair(t *testing.T) {
	b, _ := up(t, testbundle.Can("CAP_SYS_PTRACE"), func(s *specs.Spec) {
		s.Process.NoNewPrivileges = false
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"socketpair"}, Action: specs.ActErrno},
		}}
	})
	b.Minirun("exec", b.ID, "true").Exit(t, 0)
}

// TestJoinPIDNamespaceFilterForbidsClone: the processes in another PID namespace may have
// CAP_SYS_PTRACE, so no process may enter it with a capability that it needs only to load its filter.
func TestJoinPIDNamespaceFilterForbidsClone(t *testing.T) {
	_, pid := up(t, testbundle.Can("CAP_SYS_PTRACE"))
	b := testbundle.New(t, testbundle.Args("true"), with(specs.PIDNamespace, fmt.Sprintf("/proc/%d/ns/pid", pid)),
		testbundle.NoMount(func(at string) bool { return at == "/proc" }), func(s *specs.Spec) {
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
			s.Process.NoNewPrivileges = false
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{
				{Names: []string{"clone"}, Action: specs.ActErrno},
			}}
		})
	b.Run().Fails(t, "linux.seccomp", "PID namespace", "hint: ")
	b.Spec.Process.NoNewPrivileges = true
	b.Run().Exit(t, 0)
}
