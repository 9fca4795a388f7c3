package record

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/hint"
)

// CheckPidfd refuses to create a container that no later command could find: a seccomp
// filter around minirun may forbid the necessary calls.
func CheckPidfd() error {
	// No process and no descriptor has the number -1: if the call reaches the kernel
	// the error says so, and a filter returns a different one.
	_, err := unix.PidfdOpen(-1, 0)
	if !errors.Is(err, unix.EINVAL) {
		return pidfdRefused("pidfd_open", err)
	}
	if err := unix.PidfdSendSignal(-1, 0, nil, 0); !errors.Is(err, unix.EBADF) {
		return pidfdRefused("pidfd_send_signal", err)
	}
	if _, err := unix.PidfdGetfd(-1, -1, 0); !errors.Is(err, unix.EBADF) {
		return pidfdRefused("pidfd_getfd", err)
	}
	return nil
}

func pidfdRefused(call string, err error) error {
	if err == nil {
		err = errors.New("it returned no error for a descriptor that is not open")
	}
	return hint.Add(fmt.Errorf("%s: %w", call, err), "minirun runs in a container or service whose seccomp filter "+
		"forbids this: allow pidfd_open, pidfd_send_signal and pidfd_getfd")
}
