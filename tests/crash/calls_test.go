package crash

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/crash/tracer"
)

// A call is a system call that minirun makes, and the errors with which it may fail: (s)pace,
// (f)iles, (m)emory, (i)nterrupted, (b)usy.
type call struct {
	name   string
	number uint64
	fails  string
	path   int // which argument is a path; -1: none; -2: the first is a descriptor
}

const (
	none       = -1
	descriptor = -2
)

// calls lists the calls of minirun's threads that can fail on a healthy machine. Some architectures
// have more: calls_amd64_test.go.
var calls = append(oldCalls, []call{
	{"read", unix.SYS_READ, "mi", descriptor},
	{"write", unix.SYS_WRITE, "smib", descriptor},
	{"pread64", unix.SYS_PREAD64, "mi", descriptor},
	{"pwrite64", unix.SYS_PWRITE64, "smi", descriptor},
	{"openat", unix.SYS_OPENAT, "sfmib", 1},
	{"openat2", unix.SYS_OPENAT2, "fmi", 1},
	{"mkdirat", unix.SYS_MKDIRAT, "smb", 1},
	{"unlinkat", unix.SYS_UNLINKAT, "mb", 1},
	{"renameat", unix.SYS_RENAMEAT, "smb", 1},
	{"renameat2", unix.SYS_RENAMEAT2, "smb", 1},
	{"newfstatat", sysFstatat, "m", 1},
	{"fstat", unix.SYS_FSTAT, "m", descriptor},
	{"readlinkat", unix.SYS_READLINKAT, "m", 1},
	{"faccessat", unix.SYS_FACCESSAT, "m", 1},
	{"fchmodat", unix.SYS_FCHMODAT, "m", 1},
	{"fchownat", unix.SYS_FCHOWNAT, "m", 1},
	{"getdents64", unix.SYS_GETDENTS64, "mi", descriptor},
	{"ftruncate", unix.SYS_FTRUNCATE, "smi", descriptor},
	{"flock", unix.SYS_FLOCK, "mi", descriptor},
	{"fcntl", unix.SYS_FCNTL, "fmi", descriptor},
	{"ioctl", unix.SYS_IOCTL, "mi", descriptor},
	{"close_range", unix.SYS_CLOSE_RANGE, "m", none},
	{"dup3", unix.SYS_DUP3, "fib", none},
	{"pipe2", unix.SYS_PIPE2, "fm", none},
	{"socketpair", unix.SYS_SOCKETPAIR, "fm", none},
	{"socket", unix.SYS_SOCKET, "fm", none},
	{"connect", unix.SYS_CONNECT, "mi", none},
	{"sendmsg", unix.SYS_SENDMSG, "mi", none},
	{"recvmsg", unix.SYS_RECVMSG, "fmi", none},
	{"sendto", unix.SYS_SENDTO, "mi", none},
	{"recvfrom", unix.SYS_RECVFROM, "mi", none},
	{"memfd_create", unix.SYS_MEMFD_CREATE, "fm", none},
	{"pidfd_open", unix.SYS_PIDFD_OPEN, "fm", none},
	{"pidfd_getfd", unix.SYS_PIDFD_GETFD, "fm", none},
	{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, "m", none},
	{"clone", unix.SYS_CLONE, "sfm", none},
	{"clone3", unix.SYS_CLONE3, "sfmb", none},
	{"wait4", unix.SYS_WAIT4, "i", none},
	{"waitid", unix.SYS_WAITID, "i", none},
	{"ppoll", unix.SYS_PPOLL, "mi", none},
	{"prctl", unix.SYS_PRCTL, "m", none},
	{"setns", unix.SYS_SETNS, "m", none},
	{"prlimit64", unix.SYS_PRLIMIT64, "m", none},
	{"epoll_create1", unix.SYS_EPOLL_CREATE1, "fm", none},
	{"epoll_ctl", unix.SYS_EPOLL_CTL, "sm", none},
	{"epoll_pwait", unix.SYS_EPOLL_PWAIT, "i", none},
	{"eventfd2", unix.SYS_EVENTFD2, "fm", none},
}...)

// others lists calls whose names are needed only for messages.
var others = map[uint64]string{
	unix.SYS_MMAP: "mmap", unix.SYS_MUNMAP: "munmap", unix.SYS_CLOSE: "close", unix.SYS_RT_SIGACTION: "rt_sigaction",
	unix.SYS_RT_SIGPROCMASK: "rt_sigprocmask", unix.SYS_GETTID: "gettid", unix.SYS_GETPID: "getpid", unix.SYS_EXIT_GROUP: "exit_group",
	unix.SYS_MADVISE: "madvise", unix.SYS_SIGALTSTACK: "sigaltstack", unix.SYS_TGKILL: "tgkill", unix.SYS_EXECVE: "execve",
	unix.SYS_MOUNT: "mount", unix.SYS_MOUNT_SETATTR: "mount_setattr", unix.SYS_OPEN_TREE: "open_tree", unix.SYS_MOVE_MOUNT: "move_mount",
	unix.SYS_UMOUNT2: "umount2", unix.SYS_PIVOT_ROOT: "pivot_root", unix.SYS_UNSHARE: "unshare", unix.SYS_CHDIR: "chdir",
	unix.SYS_FSOPEN: "fsopen", unix.SYS_FSCONFIG: "fsconfig", unix.SYS_FSMOUNT: "fsmount", unix.SYS_MKNODAT: "mknodat",
	unix.SYS_SYMLINKAT: "symlinkat", unix.SYS_CAPSET: "capset", unix.SYS_SETSID: "setsid", unix.SYS_SETRESUID: "setresuid",
	unix.SYS_SETRESGID: "setresgid", unix.SYS_SETGROUPS: "setgroups", unix.SYS_SETHOSTNAME: "sethostname", unix.SYS_KEYCTL: "keyctl",
	unix.SYS_FCHDIR: "fchdir", unix.SYS_UMASK: "umask", unix.SYS_SECCOMP: "seccomp", unix.SYS_FCHMOD: "fchmod", unix.SYS_FCHOWN: "fchown",
}

// find returns the entry of a call, or nil.
func find(number uint64) *call {
	if i := slices.IndexFunc(calls, func(c call) bool { return c.number == number }); i >= 0 {
		return &calls[i]
	}
	return nil
}

func callName(number uint64) string {
	if c := find(number); c != nil {
		return c.name
	}
	if name := others[number]; name != "" {
		return name
	}
	return fmt.Sprintf("system call %d", number)
}

// describeCall describes the call at a boundary and its arguments.
func describeCall(s *tracer.Stop) string {
	c := find(s.Call)
	switch {
	case c == nil || c.path == none:
		return fmt.Sprintf("%s(%#x, %#x)", callName(s.Call), s.Args[0], s.Args[1])
	case c.path == descriptor:
		target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", s.Thread, int32(s.Args[0])))
		if err != nil {
			target = fmt.Sprint(int32(s.Args[0]))
		}
		return fmt.Sprintf("%s(%s)", c.name, target)
	}
	return fmt.Sprintf("%s(%q)", c.name, s.Text(s.Args[c.path]))
}
