package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// Each container has one lock, flock(2) on its state directory: the kernel
// takes it back from whoever dies, and it goes with the directory.
//
//	exclusive   create and start until the program runs, delete, pause,
//	            resume, update, checkpoint, restore
//	shared      exec, until its process is in the container's PID namespace
//	none        state, list, ps, events, kill: they read the record, which is
//	            replaced whole, and signal by pidfd
//
// Hooks of the host may call minirun about their own container. Those up to
// createRuntime can use what takes no lock; poststart and poststop hooks run
// after the lock is given back.

// A held container is one that a verb works on: what is on disk of it, and its
// lock.
type held struct {
	Record
	root string
	lock lock
}

// A lock is the descriptor of a locked state directory.
type lock int

func (l *lock) release() {
	if *l >= 0 {
		_ = unix.Close(int(*l))
		*l = -1
	}
}

// hold takes the lock of a container, unix.LOCK_EX or LOCK_SH, and reads its
// record. It waits for other verbs to end; a signal ends the wait, and minirun.
func hold(root, id string, how int) (*held, error) {
	return holdWith(root, id, func(dir string) (lock, error) { return lockDirectory(dir, how) })
}

// holdWith is hold with another way to lock the state directory.
func holdWith(root, id string, lockDir func(dir string) (lock, error)) (*held, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	l, err := lockDir(filepath.Join(root, id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, notExist(root, id)
	}
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", id, err)
	}
	r, err := readRecord(root, id)
	if err != nil {
		l.release()
		return nil, err
	}
	return &held{*r, root, l}, nil
}

// lockDirectory opens and locks a state directory. If it is gone once the lock
// is there, the error is ENOENT: whoever held it before has deleted the
// container, and another of its name may have come since.
func lockDirectory(dir string, how int) (lock, error) {
	for {
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		if err := flock(fd, how); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("lock %s: %w", dir, err)
		}
		var locked, there unix.Stat_t
		err = errors.Join(unix.Fstat(fd, &locked), unix.Stat(dir, &there))
		if err == nil && locked.Ino == there.Ino && locked.Dev == there.Dev {
			debuglog.Printf("locked %s", dir)
			return lock(fd), nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, &os.PathError{Op: "lock", Path: dir, Err: err}
		}
	}
}

// lockDirectory is like the function, for a process that catches signals: one
// that asks to end also ends the wait, which flock(2) alone would not notice.
func (c *child) lockDirectory(dir string, how int) (lock, error) {
	if c.options.signals == nil {
		return lockDirectory(dir, how)
	}
	for wait := 1; ; wait = min(2*wait, 16) {
		l, err := lockDirectory(dir, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return l, err
		}
		fds := []unix.PollFd{{Fd: int32(c.options.signals.FD), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, wait); err != nil && !errors.Is(err, unix.EINTR) {
			return -1, fmt.Errorf("poll: %w", err)
		}
		if err := c.interrupted(); err != nil {
			return -1, fmt.Errorf("another minirun works on the container, see /proc/locks: %w", err)
		}
	}
}

// lockNew locks a state directory that this process has just made.
func lockNew(dir string) (lock, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := flock(fd, unix.LOCK_EX); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return lock(fd), nil
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// ErrNotExist is wrapped by errors about a container that is not there.
var ErrNotExist = errors.New("container does not exist")

func notExist(root, id string) error {
	return fmt.Errorf("%w: %q is not in %s", ErrNotExist, id, root)
}
