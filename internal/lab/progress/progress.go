// Package progress keeps what a learner has done: one readable file with a version, which only grows
// field by field. A write replaces the file at once, so it is whole whenever a process is killed.
package progress

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/flock"
)

// Version is the version of the file's format.
const Version = 1

// States of a lab.
const (
	Started = "started"
	Passed  = "passed" // all checks held
	Seen    = "seen"   // the reference solution was shown
)

// A File is the progress of one learner.
type File struct {
	Version int             `json:"version"`
	Current string          `json:"current,omitempty"` // the lab that was started last
	Labs    map[string]*Lab `json:"labs"`              // by the name of its directory
}

// A Lab is the progress in one lab.
type Lab struct {
	State   string            `json:"state"`
	Started time.Time         `json:"started"`
	Passed  *time.Time        `json:"passed,omitempty"`
	Checks  int               `json:"checks"`          // how often it was checked
	Hints   int               `json:"hints,omitempty"` // how many hints were shown
	Predict []string          `json:"predictions,omitempty"`
	Values  map[string]string `json:"values"` // of this learner
	// Proof shows that minirun wrote State and Passed. It detects a change with an editor; someone who
	// reads the source can compute it.
	Proof string `json:"proof,omitempty"`
}

// A Store is the place of a progress file, and its owner.
type Store struct {
	Path     string
	UID, GID int
	Machine  string // identifies this machine, for proofs
}

// ErrVersion is the cause if the file was written by a newer minirun.
var ErrVersion = errors.New("was written by a newer version of minirun")

// Read reads the file. Without one there is no progress.
func (s Store) Read() (*File, error) {
	f := &File{Version: Version, Labs: map[string]*Lab{}}
	data, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("%s: %w\nhint: correct it, or move it away to begin again", s.Path, err)
	}
	if f.Version > Version {
		return nil, fmt.Errorf("%s %w", s.Path, ErrVersion)
	}
	if f.Labs == nil {
		f.Labs = map[string]*Lab{}
	}
	return f, nil
}

// Change reads the file, has it changed and writes it, while no other process does.
func (s Store) Change(change func(f *File) error) error {
	if err := s.makeDirectories(); err != nil {
		return err
	}
	lock, err := flock.Open(filepath.Dir(s.Path), unix.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Close()
	f, err := s.Read()
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	before, _ := os.ReadFile(s.Path)
	if bytes.Equal(before, append(data, '\n')) {
		return nil // the disk may be full, and a reset would make room
	}
	if err := atomicfile.Write(s.Path, append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Chown(s.Path, s.UID, s.GID)
}

// makeDirectories creates the directories of the file for its user.
func (s Store) makeDirectories() error {
	var missing []string
	for dir := filepath.Dir(s.Path); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		missing = append(missing, dir)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := os.Chown(missing[i], s.UID, s.GID); err != nil {
			return err
		}
	}
	return nil
}

// Mark sets the state of a lab, with its proof.
func (s Store) Mark(name string, l *Lab, state string, now time.Time) {
	l.State = state
	l.Passed = nil
	if state == Passed {
		now = now.UTC().Truncate(time.Second)
		l.Passed = &now
	}
	l.Proof = s.proof(name, l)
}

// Genuine reports whether the state of a lab is as minirun wrote it.
func (s Store) Genuine(name string, l *Lab) bool {
	return hmac.Equal([]byte(l.Proof), []byte(s.proof(name, l)))
}

func (s Store) proof(name string, l *Lab) string {
	passed := ""
	if l.Passed != nil {
		passed = l.Passed.Format(time.RFC3339)
	}
	mac := hmac.New(sha256.New, []byte(s.Machine))
	mac.Write([]byte(strings.Join([]string{fmt.Sprint(s.UID), name, l.State, passed, l.Values["token"]}, "\x00")))
	return hex.EncodeToString(mac.Sum(nil))[:32]
}
