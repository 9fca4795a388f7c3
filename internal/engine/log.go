package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/minirun/minirun/internal/engine/logfile"
)

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
		return fmt.Errorf("container %s has no log: it was not started in the background, so it wrote to minirun's own "+
			"output\nhint: minirun run -d and minirun start keep a log", id)
	}
	return err
}
