package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/wait"
	"github.com/minirun/minirun/internal/debuglog"
	"github.com/minirun/minirun/internal/flock"
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

// A Locked container is one that a command works on: its record, and its lock.
type Locked struct {
	Record
	root string
	Lock Lock
}

// Dir returns the container's state directory.
func (h *Locked) Dir() string { return filepath.Join(h.root, h.ID) }

// A Lock is the descriptor of a locked state directory.
type Lock int

// Release closes the descriptor, if it is open.
func (l *Lock) Release() {
	if *l >= 0 {
		_ = unix.Close(int(*l))
		*l = -1
	}
}

// Acquire takes the lock of a container, unix.LOCK_EX or LOCK_SH, and reads its record.
// It waits for other commands to finish; a signal ends the wait, and minirun.
func Acquire(root, id string, how int) (*Locked, error) {
	return AcquireWith(root, id, func(dir string) (Lock, error) { return LockDirectory(dir, how) })
}

// AcquireWith is hold with another way to lock the state directory.
func AcquireWith(root, id string, lockDir func(dir string) (Lock, error)) (*Locked, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	l, err := lockDir(filepath.Join(root, id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, NotExist(root, id)
	}
	if err != nil {
		return nil, fmt.Errorf("container %q: %w", id, err)
	}
	r, err := Read(root, id)
	if err != nil {
		l.Release()
		return nil, err
	}
	return &Locked{*r, root, l}, nil
}

// LockDirectory opens and locks a state directory. If the directory no longer exists
// once the lock is taken, the error is ENOENT: the previous holder has deleted the
// container, and another one of the same name may have been created since.
func LockDirectory(dir string, how int) (Lock, error) {
	for {
		fd, err := OpenDirectory(dir)
		if err != nil {
			return -1, &os.PathError{Op: "open", Path: dir, Err: err}
		}
		if err := flock.Lock(fd, how); err != nil {
			unix.Close(fd)
			return -1, fmt.Errorf("lock %s: %w", dir, err)
		}
		named, err := flock.IsNamed(fd, dir)
		if named {
			debuglog.Printf("locked %s", dir)
			return Lock(fd), nil
		}
		unix.Close(fd)
		if err != nil {
			return -1, &os.PathError{Op: "lock", Path: dir, Err: err}
		}
	}
}

// OpenDirectory opens a state directory, to lock it.
func OpenDirectory(dir string) (int, error) {
	return unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// ErrNotExist is wrapped by errors about a container that does not exist.
var ErrNotExist = errors.New("container does not exist")

// A NotExistError reports a container that has no state directory.
type NotExistError struct{ Root, ID string }

func (e *NotExistError) Error() string {
	return fmt.Sprintf("%v: %q is not in %s", ErrNotExist, e.ID, e.Root)
}

func (e *NotExistError) Unwrap() error { return ErrNotExist }

// NotExist returns the error for a container without a state directory.
func NotExist(root, id string) error { return &NotExistError{root, id} }

// LockOrInterrupt is LockDirectory for a process that catches signals: one that asks to
// exit also ends the wait, which flock(2) alone would not notice.
func LockOrInterrupt(signals *wait.Signals, dir string, how int) (l Lock, err error) {
	if signals.Queue == nil {
		return LockDirectory(dir, how)
	}
	err = RetryLock(signals, func() error {
		l, err = LockDirectory(dir, how|unix.LOCK_NB)
		return err
	})
	return l, err
}

// RetryLock repeats an attempt to lock until it does not fail with EWOULDBLOCK.
func RetryLock(signals *wait.Signals, try func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 16*time.Millisecond) {
		if err := try(); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		if err := signals.Poll(nil, pause); err != nil {
			return fmt.Errorf("another minirun is working on the container, see /proc/locks: %w", err)
		}
	}
}
