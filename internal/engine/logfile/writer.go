package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// How much of a log is kept: up to four files of this size.
const (
	fullFile  = 8 << 20
	keptFiles = 4
)

// Kept is the size of the newest part of a log, which is always kept.
const Kept = fullFile * (keptFiles - 1)

// A Writer appends to a log.
type Writer struct {
	path  string
	limit int64 // of a file
	kept  int   // files, including the one that is written

	mutex  sync.Mutex
	file   *os.File
	size   int64
	newest int   // number of the newest rotated file
	lost   int   // entries that could not be written since the last one that was
	cause  error // of the first of them
}

// OpenWriter opens a log for writing, and creates it if it does not exist.
func OpenWriter(path string) (*Writer, error) {
	w := &Writer{path: path, limit: fullFile, kept: keptFiles}
	numbers, err := rotated(path)
	if err != nil {
		return nil, err
	}
	if len(numbers) > 0 {
		w.newest = numbers[len(numbers)-1]
	}
	if w.file, w.size, err = openLocked(path); err != nil {
		return nil, err
	}
	if sameFile(path, numbered(path, w.newest)) { // a rotation was interrupted
		if err := w.replace(); err != nil {
			return nil, errors.Join(err, w.file.Close())
		}
	}
	return w, nil
}

// Discard returns a Writer that drops everything.
func Discard() *Writer { return &Writer{} }

// openLocked opens a file for appending, with a lock that shows readers that it may grow.
func openLocked(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, 0, err
	}
	// A read lock, because the previous monitor of the container may still be writing its last entry.
	lock := unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, size, nil
}

// isWritten reports whether a Writer has the file open.
func isWritten(f *os.File) bool {
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// Copy writes a stream's lines until it ends.
func (w *Writer) Copy(stream string, from io.Reader) { (&lines{writer: w, stream: stream}).copy(from) }

// lines splits a stream into entries.
type lines struct {
	writer *Writer
	stream string

	mutex     sync.Mutex
	begun     []byte // the line that has no end yet, without the part that was written
	continued bool   // a part of it was written
}

func (l *lines) copy(from io.Reader) {
	block := make([]byte, longText)
	for {
		n, err := from.Read(block)
		l.add(block[:n])
		if err != nil {
			l.end()
			return
		}
	}
}

// add writes the lines in data. A line longer than an entry is written in parts.
func (l *lines) add(data []byte) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for len(data) > 0 {
		line, rest, complete := bytes.Cut(data, []byte("\n"))
		if room := longText - len(l.begun); len(line) > room {
			line, rest, complete = data[:room], data[room:], false
		}
		l.begun = append(l.begun, line...)
		if data = rest; complete || len(l.begun) == longText {
			l.writeEntry(!complete)
		}
	}
}

// end writes a last line that has no end.
func (l *lines) end() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if len(l.begun) > 0 {
		l.writeEntry(false)
	}
}

func (l *lines) writeEntry(partial bool) {
	l.writer.write(entry{stream: l.stream, partial: partial, continued: l.continued, text: l.begun})
	l.begun, l.continued = l.begun[:0], partial
}

// write writes one entry. What cannot be written is dropped, and the log says so later: a full disk
// must not stop the container.
func (w *Writer) write(e entry) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.file == nil {
		return
	}
	if w.size >= w.limit {
		_ = w.rotate() // without it the file becomes larger than it should
	}
	e.stamp = Stamp(time.Now())
	if w.lost > 0 {
		note := entry{stamp: e.stamp, stream: "stderr",
			text: fmt.Appendf(nil, "minirun: %d lines are missing in this log: %v", w.lost, w.cause)}
		if w.append(&note) != nil {
			w.lost++
			return
		}
		w.lost, w.cause = 0, nil
	}
	if err := w.append(&e); err != nil {
		w.lost++
		w.cause = err
	}
}

// append writes an entry completely or not at all.
func (w *Writer) append(e *entry) error {
	n, err := w.file.Write(e.format())
	if err != nil {
		return errors.Join(err, w.file.Truncate(w.size))
	}
	w.size += int64(n)
	return nil
}

// rotate gives the full file the next number, and starts a new one. At any moment there is a file
// called log; for an instant it is also the newest one with a number.
func (w *Writer) rotate() error {
	if err := os.Link(w.path, numbered(w.path, w.newest+1)); err != nil {
		return err
	}
	w.newest++
	return w.replace()
}

// replace puts an empty file in the place of the one that has got a number, and removes the oldest.
func (w *Writer) replace() error {
	next := w.path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, size, err := openLocked(next)
	if err != nil {
		return err
	}
	if err := os.Rename(next, w.path); err != nil {
		return errors.Join(err, f.Close())
	}
	old := w.file
	w.file, w.size = f, size
	numbers, err := rotated(w.path)
	if err != nil {
		return errors.Join(err, old.Close())
	}
	for _, n := range numbers {
		if n <= w.newest+1-w.kept {
			err = errors.Join(err, os.Remove(numbered(w.path, n)))
		}
	}
	return errors.Join(err, old.Close())
}

// Close closes the log.
func (w *Writer) Close() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
