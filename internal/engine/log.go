package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/minirun/minirun/internal/engine/logfile"
)

// A log takes the output of a detached container. Without a writer the output is discarded.
type log struct{ writer *logfile.Writer }

func openLog(path string) (*log, error) {
	w, err := logfile.OpenWriter(path)
	return &log{w}, err
}

// copy writes a stream's lines until it ends.
func (l *log) copy(stream string, from io.Reader) {
	if l.writer == nil {
		_, _ = io.Copy(io.Discard, from)
	} else {
		l.writer.Copy(stream, from)
	}
}

func (l *log) close() error {
	if l.writer == nil {
		return nil
	}
	return l.writer.Close()
}

// Logs writes the output of a detached container, its standard error to errs.
func (e *Engine) Logs(id string, o logfile.Options, out, errs io.Writer) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	if r.NoLog {
		return fmt.Errorf("container %s has no log: it was created with --log-driver none", id)
	}
	o.Missing = func() {
		e.Warn(fmt.Sprintf("lines of the log of %s were discarded: only the last %d MiB are kept", id,
			logfile.Kept>>20))
	}
	err = logfile.Show(e.file(id, logFile), o, out, errs)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %s has no log: it is not detached, so it writes to minirun's own output", id)
	}
	return err
}
