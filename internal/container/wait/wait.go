// Package wait waits: for descriptors, for the exit of processes, and for signals that
// arrive meanwhile.
package wait

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// KillLimit is how long processes may take to exit after SIGKILL, and a cgroup to
	// become empty.
	KillLimit = 10 * time.Second
	// UndoLimit is how long a killed process may take to exit when an error is already
	// known.
	UndoLimit = time.Second
	// SendLimit is how long the other side of a socket may keep minirun waiting.
	SendLimit = 10 * time.Second
	// SystemdLimit is how long minirun waits for systemd where it can continue without
	// an answer: systemd drops a unit whose cgroup no longer exists by itself.
	SystemdLimit = 5 * time.Second
)

// HasExited reports whether the process of a pidfd has exited, reaped or not.
func HasExited(pidfd int) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}

// ForExit waits until the process of a pidfd has exited, at most for limit, and reports
// whether it has.
func ForExit(pidfd int, limit time.Duration) bool { return ForReadable(pidfd, limit) }

// ForReadable waits until a descriptor is readable, at most for limit, and reports
// whether it is.
func ForReadable(fd int, limit time.Duration) bool {
	end := time.Now().Add(limit)
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		left := max(0, time.Until(end))
		n, err := unix.Poll(fds, milliseconds(left))
		if n > 0 || left == 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}

// milliseconds rounds a time up for poll(2).
func milliseconds(d time.Duration) int { return int((d + time.Millisecond - 1).Milliseconds()) }

// ForInput waits until a descriptor has something to read, or its end, or until stop is
// readable.
func ForInput(fd, stop int) (ready, stopped bool, err error) {
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
	if _, err := unix.Poll(fds[:], -1); err != nil && !errors.Is(err, unix.EINTR) {
		return false, false, err
	} else if err != nil {
		return false, false, nil
	}
	return fds[0].Revents != 0, fds[1].Revents != 0, nil
}

// ForSignal waits until a signal has arrived in a signal descriptor or one of the other
// descriptors is readable, and reports whether it is only the signal.
func ForSignal(signals int, others ...int) (signal bool, err error) {
	fds := []unix.PollFd{{Fd: int32(signals), Events: unix.POLLIN}}
	for _, fd := range others {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	for {
		n, err := unix.Poll(fds, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("poll: %w", err)
		} else if err == nil {
			return n == 1 && fds[0].Revents != 0, nil
		}
	}
}

// Poll waits until one of the descriptors is ready, until the time is over, or until a
// signal arrives.
func Poll(fds []unix.PollFd, limit time.Duration) error {
	limit = max(limit, 0) // poll(2) treats a negative time as no limit
	if _, err := unix.Poll(fds, milliseconds(limit)); err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}

// Wake makes an eventfd readable.
func Wake(fd int) {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(fd, one[:])
}
