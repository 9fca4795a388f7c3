package container

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/flock"
)

// lockNewDirectory opens a state directory that this process has just created, once to lock it
// and once more for relock.
func (c *Container) lockNewDirectory(dir string) error {
	fd, err := record.OpenDirectory(dir)
	if err != nil {
		return err
	}
	c.lock = record.Lock(fd)
	if err := flock.Lock(fd, unix.LOCK_EX); err != nil {
		return err
	}
	// `delete --force` removes a directory without a record.
	if named, err := flock.IsNamed(fd, dir); !named {
		return errors.Join(errors.New("another minirun has deleted it"), err)
	}
	c.unlocked, err = record.OpenDirectory(dir)
	return err
}

// relock takes the lock again that poststart has released. It returns false if the
// container was deleted meanwhile. Another one may have its ID by now, so the path
// alone is not enough.
func (c *Container) relock() (exists bool, err error) {
	if c.lock >= 0 {
		return true, nil
	}
	err = record.RetryLock(&c.Signals, func() error { return flock.Lock(c.unlocked, unix.LOCK_EX|unix.LOCK_NB) })
	if err != nil {
		return true, err
	}
	c.lock, c.unlocked = record.Lock(c.unlocked), -1
	exists, err = flock.IsNamed(int(c.lock), c.options.directory())
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if !exists {
		c.lock.Release()
	}
	return exists, err
}

// closeDirectory releases the lock and closes the descriptors of the state directory.
func (c *Container) closeDirectory() {
	c.lock.Release()
	if c.unlocked >= 0 {
		_ = unix.Close(c.unlocked)
		c.unlocked = -1
	}
}
