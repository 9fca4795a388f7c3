package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Attach takes the parent's place for a process that waits in its plan and
// holds both ends of a socket: fd is its number of the one that is ours. The
// process is not a child of this one, so it is not reaped here.
func Attach(pid int, pidfd *os.File, fd int) (*Process, error) {
	got, err := unix.PidfdGetfd(int(pidfd.Fd()), fd, 0)
	if err != nil {
		hint := ""
		if errors.Is(err, unix.EPERM) {
			hint = ": minirun needs CAP_SYS_PTRACE"
		}
		return nil, fmt.Errorf("pidfd_getfd of descriptor %d of process %d: %w%s", fd, pid, err, hint)
	}
	return &Process{Pid: pid, PidFD: pidfd, Reaped: true, sync: os.NewFile(uintptr(got), "sync"), steps: maxSteps}, nil
}

// maxSteps bounds what a report may name when the plan is not known.
const maxSteps = 1 << 31

// InPlan reports whether a process runs its plan and has not executed the
// user's program yet. Who may not look (the process is another user's) hears
// no.
func InPlan(pid int) bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err == nil && strings.HasPrefix(exe, "/memfd:"+imageName+" ")
}

// Became reports, after io.EOF, whether the process has executed the user's
// program. One that is dying closes its socket too, and for a moment is neither
// there nor gone; but by then it has no program any more, while execve has
// changed the program before it closes the socket. One of which that cannot be
// told, because it is ending, has not become anything: its end is to be looked
// at.
func (proc *Process) Became() bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(proc.Pid) + "/exe")
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return true // a program that we may not look at
	}
	return err == nil && !strings.HasPrefix(exe, "/memfd:"+imageName+" ")
}

// Adopt takes a child of this process that somebody else has made and that
// knows of no conversation.
func Adopt(pid int) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	return &Process{Pid: pid, PidFD: os.NewFile(uintptr(fd), "pidfd")}, nil
}
