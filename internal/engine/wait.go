package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/minirun/minirun/internal/flock"
)

// Wait waits until a container ends, and returns its status: at once if it is not running.
func (e *Engine) Wait(id string) (int, error) {
	r, err := e.Record(id)
	if err != nil {
		return 0, err
	}
	f, err := e.openAttended(id)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, &NoContainerError{id}
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	before, err := readAttendance(f)
	if err != nil {
		return 0, fmt.Errorf("container %s: %w", id, err)
	}
	for ; ; time.Sleep(pollInterval) {
		// In this order: an attendant reports the end before it leaves.
		attended, err := flock.IsClaimed(int(f.Fd()))
		if err != nil {
			return 0, err
		}
		now, err := readAttendance(f)
		switch {
		case err != nil:
			return 0, fmt.Errorf("container %s: %w", id, err)
		case now.Ends > before.Ends:
			return now.Status, nil
		case !attended && now.Running && e.hasProcess(r.Container):
			continue // its attendant was killed
		case !attended && now.Running:
			return 0, fmt.Errorf("container %s: its exit status is not known, because minirun was killed", id)
		case !attended:
			return now.Status, nil
		}
	}
}
