package e2e

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unsafe"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

func seccomp(rules ...specs.LinuxSyscall) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: rules}
	}
}

func TestSeccomp(t *testing.T) {
	mkdir := func(action specs.LinuxSeccompAction, errno *uint) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"mkdir", "mkdirat"}, Action: action, ErrnoRet: errno}
	}
	for _, nnp := range []bool{true, false} {
		for _, c := range []struct {
			name   string
			rule   specs.LinuxSyscall
			want   string
			status int
		}{
			{"errno", mkdir(specs.ActErrno, nil), "EPERM", 0},
			{"a given errno", mkdir(specs.ActErrno, ptr(uint(unix.EXDEV))), "EXDEV", 0},
			{"log", mkdir(specs.ActLog, nil), "OK", 0},
			{"kill process", mkdir(specs.ActKillProcess, nil), "", 128 + int(unix.SIGSYS)},
			{"trap", mkdir(specs.ActTrap, nil), "", 2}, // Go's handler ends the program
			{"an unknown call", specs.LinuxSyscall{Names: []string{"no_such_call"}, Action: specs.ActErrno}, "OK", 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				b := testbundle.New(t, testbundle.Args("probe", "mkdir", "/tmp/x"), testbundle.Writable, seccomp(c.rule), without(specs.PIDNamespace))
				b.Spec.Process.NoNewPrivileges = nnp
				r := b.Run()
				r.Exit(t, c.status)
				if strings.TrimSpace(r.Stdout) != c.want {
					t.Errorf("noNewPrivileges %v: %q, want %q", nnp, r.Stdout, c.want)
				}
			})
		}
	}
}

func TestSeccompMode(t *testing.T) {
	b := testbundle.New(t, status("Seccomp|Seccomp_filters"), seccomp(specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.ActErrno}))
	b.Run().Prints(t, "Seccomp:\t2\nSeccomp_filters:\t1")
}

// TestSeccompWaitKillableWithoutNotify: the flag affects calls that wait for an agent. Without a rule
// for an agent no call waits, and the filter is loaded without the flag: the kernel would reject the
// combination.
func TestSeccompWaitKillableWithoutNotify(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("probe", "mkdir", "/tmp/x"), testbundle.Writable, seccomp(specs.LinuxSyscall{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActErrno}))
	b.Spec.Linux.Seccomp.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagWaitKillableRecv}
	b.Run().Prints(t, "EPERM")
}

// A filter that allows only what a program needs and rejects everything else: the bootstrap's last
// steps must not need more.
func TestSeccompAllowList(t *testing.T) {
	for _, nnp := range []bool{true, false} {
		b := testbundle.New(t, testbundle.Args("echo", "alive"), func(s *specs.Spec) {
			s.Process.NoNewPrivileges = nnp
			allow := []string{"execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "mprotect", "mmap", "munmap",
				"getrandom", "newfstatat", "fstat", "write", "writev", "exit_group", "ioctl", "getuid", "geteuid", "getgid", "getegid", "uname", "readlink", "prctl", "read", "exit"}
			if !nnp {
				allow = append(allow, "close_range", "capset", "setgroups", "setresuid", "setresgid", "umask", "fchown", "openat2", "fchdir", "fcntl", "faccessat2", "close")
			}
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: allow, Action: specs.ActAllow}}}
		})
		b.Run().Prints(t, "alive")
	}
}

// notification is struct seccomp_notif of seccomp_unotify(2).
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// The listener is sent to an agent together with the container's state, and the agent's responses are
// the results of the program's calls.
func TestSeccompNotify(t *testing.T) {
	for _, nnp := range []bool{true, false} {
		b := testbundle.New(t, testbundle.Sh("probe mkdir /tmp/x; probe mkdir /tmp/y"), testbundle.Writable,
			seccomp(specs.LinuxSyscall{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActNotify}))
		b.Spec.Process.NoNewPrivileges = nnp
		path, l := listen(t, b, "agent")
		b.Spec.Linux.Seccomp.ListenerPath, b.Spec.Linux.Seccomp.ListenerMetadata = path, "metadata"
		done := make(chan error, 1)
		go func() {
			data, f := receive(t, l)
			defer f.Close()
			var state specs.ContainerProcessState
			if err := json.Unmarshal(data, &state); err != nil {
				done <- err
				return
			}
			if state.State.ID != b.ID || state.Metadata != "metadata" || len(state.Fds) != 1 || state.Fds[0] != specs.SeccompFdName || state.Pid == 0 {
				done <- errors.New("the state is " + string(data))
				return
			}
			done <- refuse(int(f.Fd()), 2)
		}()
		b.Run().Prints(t, "ENOTBLK\nENOTBLK")
		if err := <-done; err != nil {
			t.Errorf("noNewPrivileges %v: agent: %v", nnp, err)
		}
	}
}

// refuse answers count notifications with ENOTBLK.
func refuse(fd, count int) error {
	const recv, send = 0xc0502100, 0xc0182101 // SECCOMP_IOCTL_NOTIF_RECV and SEND
	for range count {
		var n notification
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), recv, uintptr(unsafe.Pointer(&n))); e != 0 {
			return e
		}
		r := response{id: n.id, error: -int32(unix.ENOTBLK)}
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), send, uintptr(unsafe.Pointer(&r))); e != 0 {
			return e
		}
	}
	return nil
}

func TestSeccompErrors(t *testing.T) {
	b := testbundle.New(t, seccomp(specs.LinuxSyscall{Names: []string{"mkdir"}, Action: specs.ActNotify}))
	b.Spec.Linux.Seccomp.ListenerPath = "/no/such/agent"
	b.Run().Fails(t, "linux.seccomp.listenerPath", "/no/such/agent", "no such file")
	b.Spec.Linux.Seccomp.ListenerPath = ""
	b.Run().Fails(t, "linux.seccomp.listenerPath")
}
