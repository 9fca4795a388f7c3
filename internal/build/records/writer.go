package records

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/image/store"
)

// A Writer writes the record of a running build. A nil Writer records nothing.
type Writer struct {
	store   *store.Store
	history *History
	keep    int // builds to keep
	record  Record

	mutex   sync.Mutex
	tails   map[int]*tail          // by step
	counts  map[int]progress.Event // by step: the last one with an unknown total
	output  int                    // bytes of output in the log
	written int                    // bytes of the log
	pending []byte                 // the part of the log that is not in the file yet
	timer   *time.Timer
	file    *os.File // of a long build; locked
	failed  error    // error from writing the file
}

// flushDelay is how long events wait to be written together, and the time after which a
// running build gets a file.
const flushDelay = 250 * time.Millisecond

// Begin starts the record of a build. It returns nil if builds are not recorded. The caller
// must hold the store's shared lock.
func Begin(s *store.Store, r Record) (*Writer, error) {
	n, err := keepCount()
	if err != nil || n == 0 {
		return nil, err
	}
	r.ID, r.Started = newID(), time.Now().UTC()
	w := &Writer{
		store: s, history: ForStore(s.Store), keep: n, record: r, tails: map[int]*tail{},
		counts: map[int]progress.Event{},
	}
	w.record.path = filepath.Join(w.history.dir, fmt.Sprintf("%019d-%s%s", r.Started.UnixNano(), r.ID, extension))
	w.timer = time.AfterFunc(flushDelay, func() {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.flush()
	})
	return w, nil
}

// ID returns the ID of the build, or "" if it is not recorded.
func (w *Writer) ID() string {
	if w == nil {
		return ""
	}
	return w.record.ID
}

// newID returns an ID in BuildKit's format: 25 base-36 digits. It is not a secret.
func newID() string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	id := make([]byte, 25)
	for i := range id {
		id[i] = digits[rand.IntN(len(digits))]
	}
	return string(id)
}

// createFile creates the file of a long build. The file is locked before it gets its name.
func (w *Writer) createFile() error {
	temporary := w.store.Temporary("history")
	var err error
	w.file, err = os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	if err = flock.Lock(int(w.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		_, err = w.file.Write(w.record.append(nil))
	}
	if err == nil {
		err = os.Rename(temporary, w.record.path)
	}
	if err != nil {
		err = errors.Join(err, w.file.Close(), os.Remove(temporary))
		w.file = nil
	}
	return err
}

// Watch returns a Display that shows the same as d, and records it.
func (w *Writer) Watch(d progress.Display) progress.Display {
	if w == nil {
		return d
	}
	return progress.NewRecorder(d, w.recordEvent)
}

// recordEvent records an event.
func (w *Writer) recordEvent(e progress.Event) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	e.Text, e.Error = truncate(e.Text, maxName), truncate(e.Error, maxError)
	switch e.Kind {
	case progress.Count:
		if e.Total == 0 {
			w.counts[e.ID] = e
		}
		if e.Total == 0 || e.Done < e.Total {
			return // only the end is needed
		}
	case progress.Output:
		if w.output >= maxOutput {
			w.stepTail(e.ID).add(e)
			return
		}
		w.output += len(e.Data)
	case progress.End:
		w.flushTail(e.ID)
		if c, ok := w.counts[e.ID]; ok {
			delete(w.counts, e.ID)
			w.appendEvent(c)
		}
	}
	w.appendEvent(e)
}

func (w *Writer) stepTail(id int) *tail {
	t := w.tails[id]
	if t == nil {
		t = &tail{}
		w.tails[id] = t
	}
	return t
}

// flushTail writes the end of a step's output, after a line that shows how much was omitted.
func (w *Writer) flushTail(id int) {
	t := w.tails[id]
	if t == nil {
		return
	}
	delete(w.tails, id)
	if t.dropped > 0 {
		missing := fmt.Sprintf("\n[%d bytes are omitted from the record of the build]\n", t.dropped)
		w.appendEvent(progress.Event{At: t.parts[0].At, Kind: progress.Output, ID: id, Data: []byte(missing)})
	}
	for _, e := range t.parts {
		w.appendEvent(e)
	}
}

// appendEvent appends an event to the log. If the build has a file, it is written there soon.
func (w *Writer) appendEvent(e progress.Event) {
	if w.written > maxLog {
		return
	}
	if w.file != nil && len(w.pending) == 0 {
		w.timer.Reset(flushDelay)
	}
	before := len(w.pending)
	w.pending = appendLine(w.pending, &e, w.record.Started)
	w.written += len(w.pending) - before
	if w.file != nil && len(w.pending) > 64<<10 {
		w.flush()
	}
}

// flush writes pending events. After an error the record ends, but the build continues.
func (w *Writer) flush() {
	w.timer.Stop()
	if w.file == nil && w.failed == nil && w.record.Status == "" {
		w.failed = w.createFile()
	}
	if w.file != nil && w.failed == nil && len(w.pending) > 0 {
		_, w.failed = w.file.Write(w.pending)
	}
	w.pending = w.pending[:0]
}

// rotations is the number of builds without their own file for each removal of the oldest
// records, which takes longer than writing one. In any case, List returns only those that are
// to be kept.
const rotations = 16

// End completes the record, and removes the oldest ones.
func (w *Writer) End(status Status, r Result) error {
	if w == nil {
		return nil
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.timer.Stop()
	r.Error, r.Source = truncate(r.Error, maxError), truncate(r.Source, maxError)
	w.record.Completed, w.record.Status, w.record.Result = time.Now().UTC(), status, r
	err := w.failed
	if err == nil {
		err = w.writeComplete()
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
	}
	if err == nil && (w.file != nil || rand.IntN(rotations) == 0) {
		err = w.history.rotate(w.keep)
	}
	if err != nil {
		return fmt.Errorf("cannot record the build: %w", err)
	}
	return nil
}

// writeComplete writes the complete file, which replaces the one with the events so far.
func (w *Writer) writeComplete() error {
	text := w.record.append(nil)
	if w.file != nil {
		before, err := os.ReadFile(w.record.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, log, _ := bytes.Cut(before, []byte("\n"))
		text = append(text, log...)
	}
	return w.store.Replace(w.record.path, append(text, w.pending...))
}
