// Package attendance is the file with which the attendant of a container claims it and reports on it
// (docs/decisions/0027-one-owner-for-the-end-of-a-container.md). It stays readable for a process that
// has opened it, also when the container is removed.
package attendance

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/flock"
)

// A Report is what the attendant reports.
type Report struct {
	Pid      int        `json:"pid"`
	Running  bool       `json:"running"`           // started, and not recorded as ended
	Started  time.Time  `json:"started"`           // the last time
	Restarts int        `json:"restarts,omitzero"` // by the restart policy
	Next     *time.Time `json:"next,omitempty"`    // the next restart, while waiting for it
	Ends     int        `json:"ends,omitzero"`     // how often it ended
	Status   int        `json:"status,omitzero"`   // of the last end
}

// ErrClaimed is the cause if another process attends a container.
var ErrClaimed = errors.New("another minirun is attending the container")

// size is the size of the file: a report is written with one write and never shortens the file.
const size = 512

// A Claim is the file of the attendant.
type Claim struct {
	File *os.File
	Now  Report
}

// Take claims an open file.
func Take(f *os.File) (*Claim, error) {
	err := flock.Claim(int(f.Fd()))
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = ErrClaimed
	}
	if err != nil {
		return nil, err
	}
	return Adopt(f), nil
}

// Adopt returns the claim on an open file that another process has taken and handed over.
func Adopt(f *os.File) *Claim {
	c := &Claim{File: f}
	c.Now, _ = readReport(f) // a damaged report is an empty one
	return c
}

// Report changes the report. A full disk must not stop the container.
func (c *Claim) Report(change func(*Report)) {
	change(&c.Now)
	c.Now.Pid = os.Getpid()
	text, err := json.Marshal(c.Now)
	if err != nil || len(text) >= size {
		return
	}
	for len(text) < size-1 {
		text = append(text, ' ')
	}
	_, _ = c.File.WriteAt(append(text, '\n'), 0)
}

// Read returns the report in an open file, and whether the claim on it is taken. The claim is looked at
// first: an attendant reports the end before it leaves.
func Read(f *os.File) (now Report, claimed bool, err error) {
	if claimed, err = flock.IsClaimed(int(f.Fd())); err == nil {
		now, err = readReport(f)
	}
	return now, claimed, err
}

// Look is Read for a file that is not open. A missing or damaged one is an empty report.
func Look(path string) (now Report, claimed bool) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return Report{}, false
	}
	defer f.Close()
	now, claimed, err = Read(f)
	if err != nil {
		now = Report{}
	}
	return now, claimed
}

// readReport reads a report. It may be in the middle of being written.
func readReport(f *os.File) (now Report, err error) {
	for range 3 {
		buf := make([]byte, size)
		n, _ := f.ReadAt(buf, 0)
		if n == 0 {
			return Report{}, nil
		}
		if err = json.Unmarshal(buf[:n], &now); err == nil {
			return now, nil
		}
	}
	return Report{}, err
}
