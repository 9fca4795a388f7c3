package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// Each container has one lock, flock(2) on its state directory: the kernel releases it
// when its holder dies, and it disappears with the directory.
//
//	exclusive   create and start until the program runs, delete, pause,
//	            resume, update, checkpoint, restore
//	shared      exec, until its process is in the container's PID namespace
//	none        state, list, ps, events, kill: they read the record, which is
//	            replaced atomically, and signal by pidfd
//
// Hooks of the host may call minirun about their own container. Those up to
// createRuntime can use the commands that take no lock; poststart and poststop hooks
// run after the lock was released. To delete the container, the lock is taken again
// through the open directory: see relock.

// A held container is one that a command works on: its record, and its lock.
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

// hold takes the lock of a container, unix.LOCK_EX or LOCK_SH, and reads its record.
// It waits for other commands to finish; a signal ends the wait, and minirun.
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

// lockDirectory opens and locks a state directory. If the directory no longer exists
// once the lock is taken, the error is ENOENT: the previous holder has deleted the
// container, and another one of the same name may have been created since.
func lockDirectory(dir string, how int) (lock, error) {
	for {
		fd, err := openDirectory(dir)
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		if err := flock(fd, how); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("lock %s: %w", dir, err)
		}
		named, err := isNamed(fd, dir)
		if named {
			debuglog.Printf("locked %s", dir)
			return lock(fd), nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, &os.PathError{Op: "lock", Path: dir, Err: err}
		}
	}
}

func openDirectory(dir string) (int, error) {
	return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// isNamed reports whether an open directory still has this path.
func isNamed(fd int, path string) (bool, error) {
	var open, there unix.Stat_t
	err := errors.Join(unix.Fstat(fd, &open), unix.Stat(path, &there))
	return err == nil && open.Ino == there.Ino && open.Dev == there.Dev, err
}

// lockDirectory is like the function, for a process that catches signals: one that
// asks to exit also ends the wait, which flock(2) alone would not notice.
func (c *child) lockDirectory(dir string, how int) (l lock, err error) {
	if c.signals.Queue == nil {
		return lockDirectory(dir, how)
	}
	err = c.untilLocked(func() error {
		l, err = lockDirectory(dir, how|unix.LOCK_NB)
		return err
	})
	return l, err
}

// untilLocked repeats an attempt to lock until it does not fail with EWOULDBLOCK.
func (c *child) untilLocked(try func() error) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 16*time.Millisecond) {
		if err := try(); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if err := c.signals.Poll(nil, wait); err != nil {
			return fmt.Errorf("another minirun is working on the container, see /proc/locks: %w", err)
		}
	}
}

// lockNew opens a state directory that this process has just created, once to lock it
// and once more for relock.
func (c *Container) lockNew(dir string) error {
	fd, err := openDirectory(dir)
	if err != nil {
		return err
	}
	c.lock = lock(fd)
	if err := flock(fd, unix.LOCK_EX); err != nil {
		return err
	}
	// `delete --force` removes a directory without a record.
	if named, err := isNamed(fd, dir); !named {
		return errors.Join(errors.New("another minirun has deleted it"), err)
	}
	c.unlocked, err = openDirectory(dir)
	return err
}

// relock takes the lock again that poststart has released. It returns false if the
// container was deleted meanwhile. Another one may have its ID by now, so the path
// alone is not enough.
func (c *Container) relock() (exists bool, err error) {
	if c.lock >= 0 {
		return true, nil
	}
	err = c.untilLocked(func() error { return flock(c.unlocked, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		return true, err
	}
	c.lock, c.unlocked = lock(c.unlocked), -1
	exists, err = isNamed(int(c.lock), c.options.directory())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if !exists {
		c.lock.release()
	}
	return exists, err
}

// closeDirectory releases the lock and closes the descriptors of the state directory.
func (c *Container) closeDirectory() {
	c.lock.release()
	if c.unlocked >= 0 {
		_ = unix.Close(c.unlocked)
		c.unlocked = -1
	}
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// ErrNotExist is wrapped by errors about a container that does not exist.
var ErrNotExist = errors.New("container does not exist")

func notExist(root, id string) error {
	return fmt.Errorf("%w: %q is not in %s", ErrNotExist, id, root)
}
