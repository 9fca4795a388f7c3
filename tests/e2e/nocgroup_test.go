package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// withoutCgroup returns a container that has no cgroup, which is the usual case without root.
func withoutCgroup(t *testing.T, change ...func(*specs.Spec)) *testbundle.Bundle {
	t.Helper()
	b := testbundle.New(t, change...)
	b.Global = append(b.Global, "--cgroup-manager", "disabled")
	return b
}

// listedProcesses returns the process IDs that `ps` prints as JSON.
func listedProcesses(t *testing.T, b *testbundle.Bundle) (pids []int) {
	t.Helper()
	r := b.Minirun("ps", "--format", "json", b.ID)
	r.Exit(t, 0)
	if err := json.Unmarshal([]byte(r.Stdout), &pids); err != nil {
		t.Fatalf("%q: %v", r.Stdout, err)
	}
	return pids
}

// alive returns those of the processes that have not ended.
func alive(pids []int) (left []int) {
	testbundle.Reap()
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil && !strings.Contains(string(stat), ") Z ") {
			left = append(left, pid)
		}
	}
	return left
}

func cgroupsOf(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestContainerWithoutCgroup(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){"own PID namespace": func(*specs.Spec) {}, "host's PID namespace": testbundle.Without(specs.PIDNamespace)} {
		t.Run(name, func(t *testing.T) {
			for _, end := range [][]string{{"delete", "--force"}, {"kill", "--all"}, {"kill"}} {
				// An orphan, a grandchild, and a process that enters from outside.
				b := withoutCgroup(t, testbundle.Sh("sleep 1000 & (sleep 1000 & sleep 1000) & sleep 1000; true"), change)
				pid := detached(t, b)
				testbundle.Await(t, "five processes", func() bool { return len(listedProcesses(t, b)) == 5 })
				b.Start(b.Command("exec", b.ID, "sleep", "1000"))
				testbundle.Await(t, "six processes", func() bool { return len(listedProcesses(t, b)) == 6 })
				pids := listedProcesses(t, b)
				if !slices.Contains(pids, pid) || cgroupsOf(t, strconv.Itoa(pid)) != cgroupsOf(t, "self") {
					t.Errorf("processes %v; the first one, %d, is in the cgroups %s", pids, pid, cgroupsOf(t, strconv.Itoa(pid)))
				}
				b.Minirun("events", "--stats", b.ID).Fails(t, "no cgroup")
				b.Minirun("pause", b.ID).Fails(t, "no cgroup")
				args := append(slices.Clone(end), b.ID)
				if end[0] == "kill" {
					args = append(args, "KILL")
				}
				b.Minirun(args...).Exit(t, 0)
				for limit := time.Now().Add(10 * time.Second); len(alive(pids)) > 0 && time.Now().Before(limit); {
					time.Sleep(5 * time.Millisecond)
				}
				if left := alive(pids); len(left) > 0 {
					t.Errorf("%v leaves processes %v of %v", end, left, pids)
				}
			}
		})
	}
}

// Without a cgroup and a PID namespace there is no way to find the processes that a first process has
// left: this is reported, not an empty list.
func TestProcessesLeftWithoutCgroupAreReported(t *testing.T) {
	b := withoutCgroup(t, testbundle.Sh("sleep 1000 & echo $! >/host/left"), testbundle.Without(specs.PIDNamespace))
	testbundle.AddMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	detached(t, b)
	left, err := strconv.Atoi(awaitText(t, filepath.Join(b.Host, "left")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Kill(left, unix.SIGKILL); testbundle.Reap() })
	testbundle.Reap()
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("ps", b.ID).Fails(t, "cannot be found")
	b.Minirun("kill", "--all", b.ID, "KILL").Fails(t, "cannot be found")
	r := b.Minirun("delete", b.ID)
	r.Exit(t, 0)
	if !strings.Contains(r.Stderr, "cannot be found") {
		t.Errorf("delete says %q", r.Stderr)
	}
}

func TestCgroupManagerFlag(t *testing.T) {
	b := withoutCgroup(t, testbundle.Args("true"))
	b.Run().Exit(t, 0)
	limit := int64(64 << 20)
	b.Spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
	b.Run().Fails(t, "linux.resources.memory.limit", "--cgroup-manager disabled")
	b.Spec.Linux.Resources.Memory = nil
	b.Global = []string{"--cgroup-manager", "cgroupfs"}
	b.Run().Exit(t, 0)
	b.Global = []string{"--cgroup-manager", "nonsense"}
	b.Run().Fails(t, `--cgroup-manager "nonsense"`)
	b.Global = []string{"--systemd-cgroup", "--cgroup-manager", "disabled"}
	b.Run().Fails(t, "contradicts")
}

// runRefusing runs minirun with a seccomp filter that makes a system call fail, as in a container or
// a service.
func runRefusing(t *testing.T, b *testbundle.Bundle, call uint32, errno unix.Errno, args ...string) testbundle.Result {
	t.Helper()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	result := make(chan testbundle.Result)
	go func() {
		runtime.LockOSThread() // never unlocked: the filter belongs to this thread, which ends
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			t.Error(err)
		}
		if _, _, err := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); err != 0 {
			t.Error(err)
		}
		cmd := b.Command(args...)
		output, err := os.CreateTemp(b.Host, "output") // a created container holds its ends of a pipe
		if err != nil {
			t.Error(err)
		}
		defer output.Close()
		cmd.Stdout, cmd.Stderr = output, output
		_ = cmd.Run() // the caller checks the status
		text, err := os.ReadFile(output.Name())
		if err != nil {
			t.Error(err)
		}
		result <- testbundle.Result{Stderr: string(text), Status: cmd.ProcessState.ExitCode()}
	}()
	return <-result
}

// Without pidfd_open no command could find the container, which would continue to run as "stopped".
func TestPidfdOpenIsRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.ENOSYS, unix.EPERM} {
		b := testbundle.New(t, testbundle.Args("sleep", "1000"))
		b.Write()
		for _, verb := range []string{"create", "run"} {
			runRefusing(t, b, unix.SYS_PIDFD_OPEN, errno, verb, b.ID, b.Dir).Fails(t, "pidfd_open", "seccomp")
		}
		detached(t, b)
		for _, args := range [][]string{{"state"}, {"delete", "--force"}, {"delete"}, {"kill"}, {"pause"}, {"update", "--pids-limit", "9"}} {
			runRefusing(t, b, unix.SYS_PIDFD_OPEN, errno, append(args, b.ID)...).Fails(t, "pidfd_open")
		}
		if s := stateOf(t, b); s != specs.StateRunning {
			t.Errorf("status %s", s)
		}
	}
}

// In this case the plan is a file on a tmpfs, which no process can write to.
func TestMemfdCreateIsRefused(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EACCES, unix.EPERM, unix.ENOSYS} { // vm.memfd_noexec=2, and two filters
		b := testbundle.New(t, testbundle.Args("sleep", "1000"))
		b.Write()
		runRefusing(t, b, unix.SYS_MEMFD_CREATE, errno, "create", "--pid-file", filepath.Join(b.Host, "pid"), b.ID, b.Dir).Exit(t, 0)
		t.Cleanup(func() { b.Minirun("delete", "--force", b.ID); testbundle.Reap() })
		text, err := os.ReadFile(filepath.Join(b.Host, "pid"))
		if err != nil {
			t.Fatal(err)
		}
		if s := stateOf(t, b); s != specs.StateCreated {
			t.Errorf("status %s", s)
		}
		if f, err := os.OpenFile("/proc/"+string(text)+"/exe", os.O_WRONLY, 0); err == nil {
			f.Close()
			t.Error("the plan of a created container can be written to")
		}
		runRefusing(t, b, unix.SYS_MEMFD_CREATE, errno, "start", b.ID).Exit(t, 0)
		runRefusing(t, b, unix.SYS_MEMFD_CREATE, errno, "exec", b.ID, "true").Exit(t, 0)
	}
}

// TestFailedPoststartEndsAll: a container that is removed after its program has started leaves no
// process, even if the processes can be found only through their parents.
func TestFailedPoststartEndsAll(t *testing.T) {
	b := withoutCgroup(t, testbundle.Sh("sleep 1000 & echo $! >/host/child; wait"), testbundle.Without(specs.PIDNamespace))
	testbundle.AddMount(specs.Mount{Destination: "/host", Source: b.Host, Options: []string{"bind"}})(b.Spec)
	file := filepath.Join(b.Host, "child")
	b.Spec.Version = "1.3.0"
	b.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{shellHook("while ! [ -s " + file + " ]; do sleep 0.01; done; exit 1")}}
	b.Run().Fails(t, "hooks.poststart[0]")
	child, err := strconv.Atoi(awaitText(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if left := alive([]int{child}); len(left) > 0 {
		_ = unix.Kill(child, unix.SIGKILL)
		t.Errorf("process %d is left", child)
	}
	testbundle.Reap()
}
