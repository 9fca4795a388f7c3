package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// LockStopped keeps a container that is not running from being started or removed, until the result
// is called.
func (e *Engine) LockStopped(id string) (unlock func() error, err error) {
	_, err = os.Lstat(e.file(id, attendedFile))
	neverStarted := errors.Is(err, fs.ErrNotExist)
	f, err := e.attend(id, os.O_CREATE)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("container %s is in use by another minirun\nhint: try again", id)
	}
	if err != nil {
		return nil, err
	}
	unlock = func() error {
		if neverStarted { // as before: Status looks at it
			return errors.Join(os.Remove(f.Name()), f.Close())
		}
		return f.Close()
	}
	if e.isRunning(id) {
		return nil, errors.Join(fmt.Errorf("container %s has just been started\nhint: try again", id), unlock())
	}
	return unlock, nil
}
