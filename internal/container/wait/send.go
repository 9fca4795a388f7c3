package wait

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// This file sends descriptors to sockets of other programs: the master of a terminal,
// the listener of a seccomp filter, a pidfd. The other program may hang, so nothing
// here waits longer than SendLimit, or after a signal.

// connectPause is the time between two attempts to connect to a socket whose
// backlog is full: nothing reports that it has room again.
const connectPause = 20 * time.Millisecond

// SendFile connects to a Unix socket and sends data with a descriptor.
func (s *Signals) SendFile(socket string, data []byte, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	until := time.Now().Add(SendLimit)
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
		if !errors.Is(err, unix.EAGAIN) {
			break
		}
		if time.Now().After(until) {
			break
		}
		if err := s.Poll(nil, connectPause); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("connect to %s: %w", socket, err)
	}
	if err := Send(fd, data, unix.UnixRights(int(f.Fd())), until, s.Poll); err != nil {
		return fmt.Errorf("send a descriptor to %s: %w", socket, err)
	}
	return nil
}

// Send sends all of data through a non-blocking socket, the control message with
// its first byte.
func Send(fd int, data, control []byte, until time.Time, pause func([]unix.PollFd, time.Duration) error) error {
	for len(data) > 0 {
		n, err := unix.SendmsgN(fd, data, control, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			data, control = data[n:], nil
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EAGAIN):
			return err
		case !time.Now().Before(until):
			return os.ErrDeadlineExceeded
		default:
			if err := Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, time.Until(until)); err != nil {
				return err
			}
		}
	}
	return nil
}
