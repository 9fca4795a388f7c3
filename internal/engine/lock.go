package engine

import (
	"errors"
	"fmt"

	"github.com/minirun/minirun/internal/engine/attendance"
)

// LockStopped keeps a container that is not running from being started or removed, until the result
// is called.
func (e *Engine) LockStopped(id string) (unlock func() error, err error) {
	a, err := e.attend(id)
	if errors.Is(err, attendance.ErrClaimed) {
		return nil, fmt.Errorf("container %s is in use by another minirun\nhint: try again", id)
	}
	if err != nil {
		return nil, err
	}
	if e.isRunning(id) {
		a.leave()
		return nil, fmt.Errorf("container %s has just been started\nhint: try again", id)
	}
	return func() error {
		a.leave()
		return nil
	}, nil
}
