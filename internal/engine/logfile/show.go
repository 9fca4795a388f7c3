package logfile

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Options select the part of a log that is shown.
type Options struct {
	Follow       bool
	Times        bool
	Tail         int       // lines; < 0: all
	Since, Until time.Time // zero: no limit

	// Missing is called if lines that were asked for are no longer in the log.
	Missing func()
}

// errUntil reports that the rest of the log is too new.
var errUntil = errors.New("the rest of the log is newer")

// pollInterval is how often a log that is followed is looked at. Tests change it.
var pollInterval = 100 * time.Millisecond

// Show writes the text of a log, the lines of the container's standard error to errs. Without a log the
// error is fs.ErrNotExist.
func Show(path string, o Options, out, errs io.Writer) error {
	parts, err := openParts(path, 0)
	if err != nil {
		return err
	}
	v := &viewer{path: path, options: o, parts: parts, out: out, errs: errs}
	defer func() { closeAll(v.parts) }()
	if !o.Since.IsZero() {
		v.since = Stamp(o.Since)
	}
	if !o.Until.IsZero() {
		v.until = Stamp(o.Until)
	}
	err = v.showExisting()
	if err == nil && o.Follow {
		err = v.follow()
	}
	if errors.Is(err, errUntil) {
		err = nil
	}
	if err = errors.Join(err, v.flush()); errors.Is(err, unix.EPIPE) {
		return nil // the reader has seen enough
	}
	return err
}

// A viewer shows one log.
type viewer struct {
	path         string
	options      Options
	since, until string  // stamps
	parts        []*part // those that are not completely read, at least one

	out, errs io.Writer
	pending   []byte          // text to be written to stream
	stream    string          // the one that the last entry was written to
	begun     map[string]bool // whether a stream's first entry was shown
}

// showExisting shows the entries that exist already.
func (v *viewer) showExisting() error {
	oldest, complete := v.parts[0], false
	if v.options.Tail >= 0 {
		rest, enough, err := seekTail(v.parts, v.options.Tail, v.until)
		if err != nil {
			return err
		}
		for _, p := range v.parts[:len(v.parts)-len(rest)] {
			_ = p.Close()
		}
		v.parts, complete = rest, enough
	}
	if !complete && oldest.number > 1 {
		if err := v.reportMissing(oldest); err != nil {
			return err
		}
	}
	for {
		if _, err := v.parts[0].scan(v.show); err != nil {
			return err
		}
		if len(v.parts) == 1 {
			return nil
		}
		v.dropFirst()
	}
}

func (v *viewer) dropFirst() {
	_ = v.parts[0].Close()
	v.parts = v.parts[1:]
}

// errFound ends a scan after the first entry.
var errFound = errors.New("found")

// reportMissing reports that files before the oldest one were removed, unless all entries in them
// were too old.
func (v *viewer) reportMissing(oldest *part) error {
	first := ""
	begin := *oldest
	_, err := begin.scan(func(e entry) error {
		first = e.stamp
		return errFound
	})
	if err != nil && !errors.Is(err, errFound) {
		return err
	}
	if first > v.since {
		v.options.Missing()
	}
	return nil
}

// follow shows entries as they arrive, until no Writer has the log open. A file is complete when a
// rotated file has its number, because nothing is written to it any more.
func (v *viewer) follow() error {
	for {
		current := v.parts[0]
		written := isWritten(current.File)
		progress, err := current.scan(v.show)
		if err != nil {
			return err
		}
		advanced, err := v.advance()
		switch {
		case err != nil:
			return err
		case progress || advanced:
			continue
		case !written || v.until != "" && Stamp(time.Now()) > v.until:
			return nil
		}
		if err := v.flush(); err != nil {
			return err
		}
		time.Sleep(pollInterval)
	}
}

// advance moves to the next file, if this one was rotated and is completely read.
func (v *viewer) advance() (bool, error) {
	current := v.parts[0]
	if len(v.parts) == 1 {
		numbers, err := rotated(v.path)
		if err != nil || len(numbers) == 0 || numbers[len(numbers)-1] < current.number {
			return false, nil // not rotated; or the container was removed
		}
		next, err := openParts(v.path, current.number)
		if err != nil || len(next) == 0 {
			return false, nil
		}
		v.parts = append(v.parts, next...)
	}
	if _, err := current.scan(v.show); err != nil {
		return false, err
	}
	if v.parts[1].number > current.number+1 {
		v.options.Missing()
	}
	v.dropFirst()
	return true, nil
}

// show shows one entry.
func (v *viewer) show(e entry) error {
	switch {
	case v.until != "" && e.stamp > v.until:
		return errUntil
	case e.stamp < v.since:
		return nil
	}
	if e.stream != v.stream || len(v.pending) >= blockSize {
		if err := v.flush(); err != nil {
			return err
		}
		v.stream = e.stream
	}
	if v.options.Times && (!e.continued || !v.begun[e.stream]) {
		v.pending = append(append(v.pending, e.stamp...), ' ')
	}
	if !v.begun[e.stream] {
		if v.begun == nil {
			v.begun = map[string]bool{}
		}
		v.begun[e.stream] = true
	}
	v.pending = append(v.pending, e.text...)
	if !e.partial {
		v.pending = append(v.pending, '\n')
	}
	return nil
}

// flush writes the pending text.
func (v *viewer) flush() error {
	to := v.out
	if v.stream == "stderr" {
		to = v.errs
	}
	text := v.pending
	v.pending = v.pending[:0]
	if len(text) == 0 {
		return nil
	}
	_, err := to.Write(text)
	return err
}
