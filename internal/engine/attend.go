package engine

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/flock"
)

// A container has one attendant: the process that holds the claim on its file `attended`. It is the
// only one that starts the container, deletes it in the runtime, records how it ended and removes
// its files. Other commands signal the container and wait until the attendant has left. The kernel
// drops the claim of a process that is killed; then the command that takes it cleans up
// (docs/decisions/0027-one-owner-for-the-end-of-a-container.md).
//
//	run ────────────────────────▶ container        attends until the end
//	run -d, start ──▶ monitor ──▶ container        hand the claim to the monitor
//	stop, rm -f, restart ──signal──▶ container     wait for the claim, then have it
type attendant struct {
	*attendance.Claim
	engine *Engine
	id     string
	asked  bool // a signal asked this process to exit
}

// attend makes this process the attendant of a container, unless it has one.
func (e *Engine) attend(id string) (*attendant, error) {
	f, err := e.openAttended(id)
	if err != nil {
		return nil, err
	}
	claim, err := attendance.Take(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	if named, err := flock.IsNamed(int(f.Fd()), f.Name()); !named {
		f.Close()
		return nil, fmt.Errorf("container %s has just been removed: %w", id, cmp.Or(err, fs.ErrNotExist))
	}
	return &attendant{Claim: claim, engine: e, id: id}, nil
}

// openAttended opens the file of a container. A container that an older version created has none.
func (e *Engine) openAttended(id string) (*os.File, error) {
	path := e.file(id, attendedFile)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(e.file(id, recordFile)); missing != nil {
			return nil, err
		}
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	}
	return f, err
}

// leave ends the attendance.
func (a *attendant) leave() { a.File.Close() }

// attendance returns the report about a container, and whether an attendant is there to stand by it.
func (e *Engine) attendance(id string) (now attendance.Report, attended bool) {
	return attendance.Look(e.file(id, attendedFile))
}
