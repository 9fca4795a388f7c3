package sshagent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A privateSocket is a socket without a name in a file system. It is reached through the
// descriptor of its inode. So nothing is left over if this process is killed, and only
// processes that may trace this one can connect.
type privateSocket struct {
	listener *net.UnixListener
	inode    *os.File
}

// Socket returns a path for SSH_AUTH_SOCK of a host program. It is valid until Close.
func (a *Agent) Socket() (string, error) {
	if a.keys == nil {
		return filepath.Abs(a.path)
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.private == nil {
		own, err := newPrivateSocket()
		if err != nil {
			return "", fmt.Errorf("create the socket of an SSH agent: %w", err)
		}
		a.private = own
		go a.Serve(own.listener)
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), a.private.inode.Fd()), nil
}

// Close closes the socket.
func (a *Agent) Close() error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.private == nil {
		return nil
	}
	own := a.private
	a.private = nil
	return errors.Join(own.listener.Close(), own.inode.Close())
}

func newPrivateSocket() (*privateSocket, error) {
	name, err := os.MkdirTemp("", "minirun-ssh-") // 0700
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(name) }()
	dir, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// A socket address holds at most 107 bytes, and the directory's path can be longer.
	path := fmt.Sprintf("/proc/self/fd/%d/agent", dir.Fd())
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	fd, err := unix.Openat(int(dir.Fd()), "agent", unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = listener.Close()
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return &privateSocket{listener, os.NewFile(uintptr(fd), path)}, nil
}
