package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/engine/attendance"
)

// Remove removes a container and everything that it has written. A running one is an
// error, unless it is killed by force.
func (e *Engine) Remove(id string, force bool) error {
	r, err := e.Record(id)
	if errors.Is(err, ErrNoContainer) {
		return e.removeLeftovers(id, err)
	}
	if err != nil {
		return err
	}
	var a *attendant
	if force {
		a, err = e.end(r, kill, false)
	} else {
		a, err = e.attendStopped(id)
	}
	if a == nil || err != nil {
		return err
	}
	defer a.leave()
	if err := a.cleanUp(r, true); err != nil {
		return err
	}
	return e.removeFiles(id)
}

// CheckDelete refuses to delete a container in the runtime while a process attends it, which does so
// itself when it ends. Afterwards there is nothing to delete there.
func (e *Engine) CheckDelete(id string) error {
	if _, attended := e.attendance(id); attended {
		return fmt.Errorf("container %s was created from an image, and minirun attends it\n"+
			"hint: remove it with: minirun rm -f %[1]s", id)
	}
	if _, err := os.Lstat(filepath.Join(e.Root, id)); err != nil {
		return fmt.Errorf("container %s was created from an image and is not running\n"+
			"hint: remove it with: minirun rm %[1]s", id)
	}
	return nil
}

// attendStopped attends a container that must not be running. An attendant that is about to leave is
// waited for. Without an error the attendant is nil if the container is gone.
func (e *Engine) attendStopped(id string) (*attendant, error) {
	for deadline := time.Now().Add(hookPatience); ; time.Sleep(pollInterval) {
		if e.isRunning(id) {
			return nil, fmt.Errorf("container %s is running\n"+
				"hint: stop it first with: minirun stop %[1]s, or use --force", id)
		}
		a, err := e.attend(id)
		if errors.Is(err, fs.ErrNotExist) { // --rm was faster
			return nil, nil
		}
		if !errors.Is(err, attendance.ErrClaimed) {
			return a, err
		}
		now, _ := e.attendance(id)
		if now.Next != nil {
			return nil, fmt.Errorf("container %s is restarting\n"+
				"hint: stop it first with: minirun stop %[1]s, or use --force", id)
		}
		if time.Now().After(deadline) {
			return nil, errStuck(id, now.Pid)
		}
	}
}

// errStuck is the error about an attendant that does not leave.
func errStuck(id string, pid int) error {
	return fmt.Errorf("container %s: the minirun process that attends it (pid %d) does not exit\n"+
		"hint: kill it with: kill -9 %[2]d, and try again", id, pid)
}

// delete deletes a container in the runtime, whatever its state, and reports whether it was there.
// Only its attendant calls it.
func (e *Engine) delete(id string) (existed bool, err error) {
	// Also a directory without a record, which a killed process leaves.
	if _, err := os.Lstat(filepath.Join(e.Root, id)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	warnings, err := container.Delete(container.Deletion{Root: e.Root, ID: id, Force: true,
		Check: func(string) error { return nil }})
	for _, w := range warnings {
		e.Warn(w)
	}
	if errors.Is(err, record.ErrNotExist) {
		return false, nil
	}
	return true, err
}

// removeFiles removes a container's directory. Its name is free at once, and not only when the last
// file is gone: those who wait for the end may use the name again. If files in it belong to a user's
// subordinate IDs, root of that user namespace has to do it.
func (e *Engine) removeFiles(id string) error {
	// First the file that marks it as a container: a removal that is killed leaves
	// only garbage.
	if err := os.Remove(e.file(id, recordFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	garbage := fmt.Sprintf("@removed-%d-%s", os.Getpid(), id) // not a valid name
	switch err := os.Rename(e.Store.Container(id), e.Store.Container(garbage)); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil: // the name is too long
		garbage = id
	}
	err := os.RemoveAll(e.Store.Container(garbage))
	if err != nil && os.Geteuid() != 0 {
		return e.help("remove-files", garbage)
	}
	return err
}

// removeLeftovers removes the rest of a container whose creation or removal was killed: a
// directory without a record, while the store is not in use.
func (e *Engine) removeLeftovers(id string, missing error) error {
	if record.CheckID(id) != nil {
		return missing
	}
	for deadline := time.Now().Add(hookPatience); ; time.Sleep(pollInterval) {
		if _, err := os.Lstat(e.Store.Container(id)); err != nil {
			return missing
		}
		if _, attended := e.attendance(id); !attended || time.Now().After(deadline) {
			break
		}
	} // its attendant is removing it
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
