package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

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
	engine *Engine
	id     string
	file   *os.File
	now    Attendance
	asked  bool // a signal asked this process to exit
}

// An Attendance is what the attendant reports in the file that it holds. It stays readable for a
// process that has opened the file, also when the container is removed.
type Attendance struct {
	Pid      int        `json:"pid"`
	Running  bool       `json:"running"`           // started, and not recorded as ended
	Started  time.Time  `json:"started"`           // the last time
	Restarts int        `json:"restarts,omitzero"` // by the restart policy
	Next     *time.Time `json:"next,omitempty"`    // the next restart, while waiting for it
	Ends     int        `json:"ends,omitzero"`     // how often it ended
	Status   int        `json:"status,omitzero"`   // of the last end
}

// errAttended is the cause if another process attends a container.
var errAttended = errors.New("another minirun is attending the container")

// reportSize is the size of the file: a report is written with one write and never shortens the file.
const reportSize = 512

// attend makes this process the attendant of a container, unless it has one.
func (e *Engine) attend(id string) (*attendant, error) {
	f, err := e.openAttended(id)
	if err != nil {
		return nil, err
	}
	if err := flock.Claim(int(f.Fd())); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			err = errAttended
		}
		return nil, fmt.Errorf("container %s: %w", id, err)
	}
	if named, err := flock.IsNamed(int(f.Fd()), f.Name()); !named {
		f.Close()
		return nil, fmt.Errorf("container %s has just been removed: %w", id, cmp.Or(err, fs.ErrNotExist))
	}
	return e.attendantOf(id, f), nil
}

// attendantOf returns the attendant that has the claim on an open file.
func (e *Engine) attendantOf(id string, f *os.File) *attendant {
	a := &attendant{engine: e, id: id, file: f}
	a.now, _ = readAttendance(f) // a damaged report is an empty one
	return a
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
func (a *attendant) leave() { a.file.Close() }

// report changes what the attendant reports. A full disk must not stop the container.
func (a *attendant) report(change func(*Attendance)) {
	change(&a.now)
	a.now.Pid = os.Getpid()
	text, err := json.Marshal(a.now)
	if err != nil || len(text) >= reportSize {
		return
	}
	for len(text) < reportSize-1 {
		text = append(text, ' ')
	}
	_, _ = a.file.WriteAt(append(text, '\n'), 0)
}

// readAttendance reads a report. It may be in the middle of being written.
func readAttendance(f *os.File) (now Attendance, err error) {
	for range 3 {
		buf := make([]byte, reportSize)
		n, _ := f.ReadAt(buf, 0)
		if n == 0 {
			return Attendance{}, nil
		}
		if err = json.Unmarshal(buf[:n], &now); err == nil {
			return now, nil
		}
	}
	return Attendance{}, err
}

// attendance returns the report about a container, and whether an attendant is there to stand by it.
func (e *Engine) attendance(id string) (now Attendance, attended bool) {
	f, err := os.OpenFile(e.file(id, attendedFile), os.O_RDWR, 0)
	if err != nil {
		return Attendance{}, false
	}
	defer f.Close()
	attended, err = flock.IsClaimed(int(f.Fd()))
	now, _ = readAttendance(f)
	return now, err == nil && attended
}
