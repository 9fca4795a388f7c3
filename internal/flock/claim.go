package flock

import (
	"errors"

	"golang.org/x/sys/unix"
)

// A claim is another kind of lock, F_OFD_SETLK of fcntl(2). It can be asked for without being
// taken, so that the question is not in the way of a process that takes it.

// Claim takes the claim on a file that is open for writing, or returns unix.EAGAIN if another open
// file has it. It ends when the last descriptor of this open file is closed, so it can be handed to a
// child.
func Claim(fd int) error { return control(fd, unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}) }

// IsClaimed reports whether another open file has the claim.
func IsClaimed(fd int) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK}
	err := control(fd, unix.F_OFD_GETLK, &l)
	return l.Type != unix.F_UNLCK, err
}

func control(fd, command int, l *unix.Flock_t) error {
	for {
		if err := unix.FcntlFlock(uintptr(fd), command, l); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
