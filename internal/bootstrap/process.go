package bootstrap

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Process is a started plan, held by its pidfd.
type Process struct {
	Pid   int // in this process's PID namespace
	PidFD *os.File
	// Reaped is true once Wait was called: the number may belong to another process by
	// now.
	Reaped bool

	sync   *os.File
	steps  int // steps of the plan, to check the step number in a report
	stamps int // timestamps in MessageStamps
}

// Become switches proc to the process that the plan cloned as its sibling
// (CLONE_PARENT), once the first one has reported its PID. The first one still has to
// be waited for: by Wait before the switch, or by its PID after it.
func (proc *Process) Become(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	// A PID that is not that of a child was not cloned by the plan: the sender would
	// have us set up, or kill, another process.
	err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("process %d is not the one that the plan cloned: %w", pid, err)
	}
	proc.PidFD.Close()
	proc.Pid, proc.PidFD, proc.Reaped = pid, os.NewFile(uintptr(fd), "pidfd"), false
	return nil
}

// Descriptor returns a duplicate of a descriptor of the process: this is how a console
// or a seccomp listener created inside gets out.
func (proc *Process) Descriptor(fd int, name string) (*os.File, error) {
	got, err := unix.PidfdGetfd(int(proc.PidFD.Fd()), fd, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_getfd of the %s: %w", name, err)
	}
	return os.NewFile(uintptr(got), name), nil
}

// Kill kills the process.
func (proc *Process) Kill() error {
	err := unix.PidfdSendSignal(int(proc.PidFD.Fd()), unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// Wait waits for the exit of the process, a child of this one, and returns its wait
// status.
func (proc *Process) Wait() (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(proc.Pid, &status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			proc.Reaped = true
			return status, err
		}
	}
}

// CloseSync closes the parent's end of the socket. A process that waits for an answer
// then exits.
func (proc *Process) CloseSync() { proc.sync.Close() }

// Close closes the parent's descriptors.
func (proc *Process) Close() {
	proc.sync.Close()
	proc.PidFD.Close()
}
