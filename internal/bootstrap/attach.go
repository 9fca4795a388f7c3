package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Attach takes the parent's place for a process that waits in its plan and holds both
// ends of a socket: fd is the process's number for our end. The process is not a child
// of this one, so it is not reaped here.
func Attach(pid int, pidfd *os.File, fd int) (*Process, error) {
	got, err := unix.PidfdGetfd(int(pidfd.Fd()), fd, 0)
	if err != nil {
		hint := ""
		if errors.Is(err, unix.EPERM) {
			hint = "\nhint: minirun needs CAP_SYS_PTRACE"
		}
		return nil, fmt.Errorf("pidfd_getfd of descriptor %d of process %d: %w%s", fd, pid, err, hint)
	}
	return &Process{Pid: pid, PidFD: pidfd, Reaped: true, sync: os.NewFile(uintptr(got), "sync"), steps: maxSteps}, nil
}

// maxSteps bounds the step number in a report when the plan is not known.
const maxSteps = 1 << 31

// InPlan reports whether a process is running its plan and has not executed the user's
// program yet. It returns false if this process may not look (the other belongs to
// another user).
func InPlan(pid int) bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && strings.HasPrefix(exe, "/memfd:"+imageName+" ")
}

// Became reports, after io.EOF, whether the process has executed the user's program. A
// process that is dying closes its socket too, and for a moment it still exists; but
// by then it has no program any more, while execve replaces the program before it
// closes the socket. If the program cannot be determined because the process is
// exiting, it has not become anything: the caller must look at its exit.
func (proc *Process) Became() bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(proc.Pid) + "/exe")
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return true // a program that this process may not look at
	}
	return err == nil && !strings.HasPrefix(exe, "/memfd:"+imageName+" ")
}

// Adopt takes over a child of this process that was created elsewhere and does not
// take part in a conversation.
func Adopt(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	return &Process{Pid: pid, PidFD: os.NewFile(uintptr(fd), "pidfd")}, nil
}
