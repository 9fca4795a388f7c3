package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/minirun/minirun/internal/engine/attendance"
)

// Wait waits until a container ends, and returns its status: at once if it is not running.
func (e *Engine) Wait(id string) (int, error) {
	w, err := e.OpenWaiter(id)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	return w.Wait()
}

// A Waiter waits for the first end of a container since the Waiter was opened, also if --rm removes the
// container then.
type Waiter struct {
	engine *Engine
	id     string
	file   *os.File
	ends   int // before
}

// OpenWaiter returns a Waiter for a container, which may be started after that.
func (e *Engine) OpenWaiter(id string) (*Waiter, error) {
	if _, err := e.Record(id); err != nil {
		return nil, err
	}
	f, err := e.openAttended(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoContainerError{id}
	}
	if err != nil {
		return nil, err
	}
	before, _, err := attendance.Read(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	return &Waiter{engine: e, id: id, file: f, ends: before.Ends}, nil
}

// Close closes the Waiter.
func (w *Waiter) Close() { w.file.Close() }

// Wait returns the status of the container: of its last end if it is not running.
func (w *Waiter) Wait() (int, error) {
	for ; ; time.Sleep(pollInterval) {
		now, attended, err := attendance.Read(w.file)
		switch {
		case err != nil:
			return 0, fmt.Errorf("container %s: %w", w.id, err)
		case now.Ends > w.ends:
			return now.Status, nil
		case !attended && now.Running && w.engine.hasProcess(w.id):
			continue // its attendant was killed
		case !attended && now.Running:
			return 0, fmt.Errorf("container %s: its exit status is not known, because minirun was killed", w.id)
		case !attended:
			return now.Status, nil
		}
	}
}
