package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/minirun/minirun/internal/container/wait"
	"golang.org/x/sys/unix"
)

// This file sends descriptors to sockets of other programs: the master of a terminal,
// the listener of a seccomp filter, a pidfd. The other program may hang, so nothing
// here waits longer than sendDeadline, or after a signal.

// connectPause is the time between two attempts to connect to a socket whose
// backlog is full: nothing reports that it has room again.
const connectPause = 20 * time.Millisecond

// sendFile connects to a Unix socket and sends data with a descriptor.
func (c *child) sendFile(socket string, data []byte, f *os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	until := time.Now().Add(wait.SendLimit)
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
		if !errors.Is(err, unix.EAGAIN) {
			break
		}
		if time.Now().After(until) {
			break
		}
		if err := c.signals.Poll(nil, connectPause); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("connect to %s: %w", socket, err)
	}
	if err := sendAll(fd, data, unix.UnixRights(int(f.Fd())), until, c.signals.Poll); err != nil {
		return fmt.Errorf("send a descriptor to %s: %w", socket, err)
	}
	return nil
}

// sendAll sends all of data through a non-blocking socket, the control message with
// its first byte.
func sendAll(fd int, data, control []byte, until time.Time, pause func([]unix.PollFd, time.Duration) error) error {
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
			if err := wait.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, time.Until(until)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendPidFD sends the pidfd of the process to --pidfd-socket, with runc's names for
// the two kinds of processes.
func (c *child) sendPidFD(kind string) error {
	if c.settings.PidFDSocket == "" {
		return nil
	}
	if err := c.sendFile(c.settings.PidFDSocket, []byte(kind), c.proc.PidFD); err != nil {
		return fmt.Errorf("--pidfd-socket: %w", err)
	}
	return nil
}

// The data sent with a pidfd, as in runc.
const (
	pidFDOfFirst = "standard"
	pidFDOfExec  = "setns"
)
