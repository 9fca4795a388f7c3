package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
)

// Stop asks a container to exit, with the signal that its image specifies, and kills
// it if it has not exited after patience.
func (e *Engine) Stop(id string, patience time.Duration) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	if !e.isRunning(id) {
		return nil
	}
	signal := unix.SIGTERM
	if r.StopSignal != "" {
		if signal, err = control.ParseSignal(r.StopSignal); err != nil {
			return fmt.Errorf("the image's stop signal: %w", err)
		}
	}
	if err := control.Kill(e.Root, id, signal, false); err != nil && e.isRunning(id) {
		return err
	}
	if e.awaitExit(id, patience) {
		return nil
	}
	if err := control.Kill(e.Root, id, unix.SIGKILL, false); err != nil && e.isRunning(id) {
		return err
	}
	if !e.awaitExit(id, killPatience) {
		return fmt.Errorf("container %s is still running after SIGKILL", id)
	}
	return nil
}

const killPatience = 10 * time.Second

// awaitExit waits until a container has exited and the process that attends it has recorded
// that.
func (e *Engine) awaitExit(id string, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if !e.isRunning(id) {
			return e.awaitAttendant(id)
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// awaitAttendant waits until no process attends the container: until poststop hooks have run
// and its end is recorded. If that process was killed, this is left to rm.
func (e *Engine) awaitAttendant(id string) bool {
	for deadline := time.Now().Add(hookPatience); ; time.Sleep(10 * time.Millisecond) {
		f, err := e.attend(id, 0)
		if err == nil {
			f.Close()
			return true
		}
		if errors.Is(err, fs.ErrNotExist) { // --rm
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// hookPatience is longer than a poststop hook may take.
const hookPatience = 40 * time.Second

// Remove removes a container and everything that it has written. A running one is an
// error, unless it is killed by force.
func (e *Engine) Remove(id string, force bool) error {
	if _, err := e.Record(id); err != nil {
		if errors.Is(err, ErrNoContainer) {
			return e.removeLeftovers(id, err)
		}
		return err
	}
	attending, err := e.takeOver(id, force)
	if errors.Is(err, fs.ErrNotExist) { // --rm was faster
		return nil
	}
	if err != nil {
		return err
	}
	defer attending.Close()
	if _, err := e.Record(id); err != nil { // the same, or it did not start
		return nil
	}
	if err := e.delete(id); err != nil {
		return err
	}
	return e.removeFiles(id)
}

// takeOver waits until no process attends a container any more, and attends it, so
// that it cannot be started while it is being removed. By force it kills the
// container, repeatedly: the process that attends it may not have created it yet.
func (e *Engine) takeOver(id string, force bool) (*os.File, error) {
	for deadline := time.Now().Add(hookPatience); ; time.Sleep(10 * time.Millisecond) {
		if e.isRunning(id) && !force {
			return nil, fmt.Errorf("container %s is running\n"+
				"hint: stop it first with: minirun stop %[1]s, or use --force", id)
		}
		if force {
			if err := e.delete(id); err != nil {
				return nil, err
			}
		}
		f, err := e.attend(id, os.O_CREATE)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return f, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("container %s: the minirun process that runs it does not exit", id)
		}
	}
}

// delete deletes a container in the runtime, whatever its state. The process that
// attends the container may be doing the same.
func (e *Engine) delete(id string) error {
	if _, err := control.State(e.Root, id); errors.Is(err, record.ErrNotExist) {
		return nil
	}
	warnings, err := container.Delete(e.Root, id, true)
	for _, w := range warnings {
		e.Warn(w)
	}
	if errors.Is(err, record.ErrNotExist) {
		return nil
	}
	return err
}

// removeLeftovers removes the rest of a container whose creation or removal was killed: a
// directory without a record, while the store is not in use.
func (e *Engine) removeLeftovers(id string, missing error) error {
	if record.CheckID(id) != nil {
		return missing
	}
	if _, err := os.Lstat(e.Store.Container(id)); err != nil {
		return missing
	}
	lock, err := e.Store.LockExclusive(context.Background(), false)
	if err != nil {
		return fmt.Errorf("%w, or it is still being created (the store is in use)", missing)
	}
	defer lock.Unlock()
	if _, err := e.Record(id); err == nil {
		return fmt.Errorf("container %s has just been created", id)
	}
	return e.removeFiles(id)
}
