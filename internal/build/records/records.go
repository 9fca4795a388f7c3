// Package records keeps records of the last builds of a store: the request, each step with its
// time and whether it was cached, the log, and the error.
//
//	records.go  records in the store: list, find, remove
//	writer.go   the record of a running build
//	log.go      its events, as lines of JSON, up to a limit
//
// A build has one file, S/build/history/NANOSECONDS-ID.jsonl: the first line is the Record,
// every other line an event. It gets its name when it is complete, by a rename. A build that
// takes longer than flushDelay has a file from then on, to which events are appended; its
// Record has no status yet, and the file is locked. If such a file is not locked, the build
// was killed.
//
// A build that has nothing to do takes milliseconds, and writing its record must not take a
// measurable part of them. Hence there is only one file, and it is encoded by hand.
//
// Records contain build arguments and the output of programs, so only the owner of the store
// can read them. They do not contain the values of secrets.
package records

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/image"
)

// A Status is the outcome of a build.
type Status string

// The statuses of builds.
const (
	Running     Status = "running"
	Completed   Status = "completed"
	Failed      Status = "failed"
	Canceled    Status = "canceled"    // by SIGINT or SIGTERM
	Interrupted Status = "interrupted" // the process was killed, or the machine stopped
)

// A Record describes a build, without its events. Record.append encodes the fields by hand, so
// that a build does not need encoding/json.
type Record struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile"`
	Repository string            `json:"repository"` // of a git context
	Target     string            `json:"target"`
	Platforms  []string          `json:"platforms"`
	Tags       []string          `json:"tags"`
	Arguments  map[string]string `json:"arguments"`
	Labels     map[string]string `json:"labels"`
	Contexts   map[string]string `json:"contexts"`
	Options    map[string]string `json:"options"` // other command-line options
	Started    time.Time         `json:"started"`
	Completed  time.Time         `json:"completed"` // for an interrupted build, the time of its last event
	Status     Status            `json:"status"`    // "" in the file of a running build
	Result

	path string // of its file
}

// A Result is the result of a build.
type Result struct {
	Error     string            `json:"error"`
	Source    string            `json:"source"`    // the lines of the Dockerfile to which the error refers
	Materials map[string]string `json:"materials"` // the inputs of the result: URIs and digests
	Image     string            `json:"image"`     // its ID
	Digest    string            `json:"digest"`    // of its manifest or index
	Names     []string          `json:"names"`
}

// append appends the record to a file's content, as a line of JSON.
func (r *Record) append(out []byte) []byte {
	o := object{append(out, '{')}
	o.addText("id", r.ID)
	o.addText("name", r.Name)
	o.addText("context", r.Context)
	o.addText("dockerfile", r.Dockerfile)
	o.addText("repository", r.Repository)
	o.addText("target", r.Target)
	o.addList("platforms", r.Platforms)
	o.addList("tags", r.Tags)
	o.addPairs("arguments", r.Arguments)
	o.addPairs("labels", r.Labels)
	o.addPairs("contexts", r.Contexts)
	o.addPairs("options", r.Options)
	o.addText("started", r.Started.Format(time.RFC3339Nano))
	if r.Status != "" {
		o.addText("completed", r.Completed.Format(time.RFC3339Nano))
		o.addText("status", string(r.Status))
	}
	o.addText("error", r.Error)
	o.addText("source", r.Source)
	o.addPairs("materials", r.Materials)
	o.addText("image", r.Image)
	o.addText("digest", r.Digest)
	o.addList("names", r.Names)
	return append(o.out, "}\n"...)
}

// Duration is how long the build took, or has taken so far.
func (r *Record) Duration(now time.Time) time.Duration {
	if r.Status == Running {
		return now.Sub(r.Started)
	}
	return max(0, r.Completed.Sub(r.Started))
}

// KeepVariable is the environment variable for the number of builds to keep.
const KeepVariable = "MINIRUN_BUILD_HISTORY"

const defaultKeep = 50

// keepCount returns how many builds to keep; 0: none is recorded.
func keepCount() (int, error) {
	text := os.Getenv(KeepVariable)
	if text == "" {
		return defaultKeep, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s=%s: must be a number of builds to keep", KeepVariable, text)
	}
	return n, nil
}

// A History holds the records of a store's builds.
type History struct{ dir string }

// ForStore returns the records of a store's builds.
func ForStore(s *image.Store) *History { return &History{filepath.Join(s.Dir, "build", "history")} }

const extension = ".jsonl"

// listPaths returns the builds' files, oldest first.
func (b *History) listPaths() (out []string, err error) {
	entries, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries { // sorted, and so by time
		if filepath.Ext(e.Name()) == extension {
			out = append(out, filepath.Join(b.dir, e.Name()))
		}
	}
	return out, err
}

// List returns the records of the builds, newest first. It skips damaged files.
func (b *History) List() ([]*Record, error) {
	n, err := keepCount()
	if err != nil {
		return nil, err
	}
	paths, err := b.listPaths()
	if err != nil {
		return nil, fmt.Errorf("cannot list the builds: %w", err)
	}
	paths = paths[max(0, len(paths)-n):]
	var out []*Record
	for _, path := range slices.Backward(paths) {
		if r := readRecord(path); r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// readRecord reads a build's record; nil: it is missing or damaged.
func readRecord(path string) *Record {
	r := readFile(path)
	if r != nil && r.Status == Interrupted { // or it ended after the file was opened, and the file was replaced
		r = readFile(path)
	}
	return r
}

// readFile reads a record. For a running build, the fields are filled in from the events.
func readFile(path string) *Record {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	r := &Record{path: path}
	lines := newLineScanner(f)
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), r) != nil || r.ID == "" {
		return nil
	}
	if r.Status != "" {
		return r
	}
	if r.Status = Interrupted; flock.IsHeld(f, unix.LOCK_SH) {
		r.Status = Running
	}
	r.Completed = r.Started
	for e := range readEvents(lines, r.Started) {
		r.Completed = e.At
	}
	return r
}

// ErrNotFound is the error for a reference that matches no build.
var ErrNotFound = errors.New("build not found")

// Find returns the build that a reference names: an ID or a prefix of one, or ^N for the build
// N before the last. "" is the last build.
func (b *History) Find(ref string) (*Record, error) {
	all, err := b.List()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: no builds are recorded", ErrNotFound)
	}
	if text, ok := strings.CutPrefix(ref, "^"); ok || ref == "" {
		n, err := strconv.Atoi(text)
		if ref != "" && (err != nil || n < 0) {
			return nil, fmt.Errorf("build %q: must be an ID, or ^N for the Nth build before the last", ref)
		}
		if n >= len(all) {
			return nil, fmt.Errorf("%w: %s: only %d builds are recorded", ErrNotFound, ref, len(all))
		}
		return all[n], nil
	}
	var found *Record
	for _, r := range all {
		switch {
		case r.ID == ref:
			return r, nil
		case !strings.HasPrefix(r.ID, ref):
		case found != nil:
			return nil, fmt.Errorf("build %s is ambiguous: it may be %s or %s", ref, found.ID, r.ID)
		default:
			found = r
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, ref)
	}
	return found, nil
}

// errRunning is the error for removing the record of a running build.
var errRunning = errors.New("the build is running")

// Remove removes a record, unless the build is running.
func (b *History) Remove(r *Record) error {
	if err := removeFile(r.path); err != nil {
		return fmt.Errorf("cannot remove the record of build %s: %w", r.ID, err)
	}
	return nil
}

func removeFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return ignoreMissing(err)
	}
	defer f.Close()
	if flock.IsHeld(f, unix.LOCK_SH) {
		return errRunning
	}
	return ignoreMissing(os.Remove(path))
}

// ignoreMissing ignores that another process removed the file first.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Clear removes all records except those of running builds.
func (b *History) Clear() error {
	if err := b.rotate(0); err != nil {
		return fmt.Errorf("cannot remove the records of builds: %w", err)
	}
	return nil
}

// rotate removes the oldest builds, so that at most n are left.
func (b *History) rotate(n int) error {
	paths, err := b.listPaths()
	if err != nil {
		return err
	}
	for _, path := range paths[:max(0, len(paths)-n)] {
		if err := removeFile(path); err != nil && !errors.Is(err, errRunning) {
			return err
		}
	}
	return nil
}
