package history

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"iter"
	"path"
	"time"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/termtext"
)

// Export writes an archive with the output of inspect and logs for each build.
func Export(w io.Writer, list []*records.Record) error {
	archive := tar.NewWriter(w)
	for _, r := range list {
		if err := exportBuild(archive, r); err != nil {
			return err
		}
	}
	return archive.Close()
}

func exportBuild(archive *tar.Writer, r *records.Record) error {
	i, err := Inspect(r, time.Now())
	if err != nil {
		return err
	}
	var record, log, events bytes.Buffer
	replay := func(mode string, to *bytes.Buffer) error {
		return r.Events(func(list iter.Seq[progress.Event]) error { return progress.Replay(mode, to, list) })
	}
	if err := errors.Join(termtext.WriteJSON(&record, i), replay("plain", &log),
		replay("rawjson", &events)); err != nil {
		return err
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{{"build.json", record.Bytes()}, {"log.txt", log.Bytes()}, {"log.jsonl", events.Bytes()}} {
		h := &tar.Header{
			Name: path.Join(r.ID,
				file.name), Mode: 0o600, Size: int64(len(file.content)), ModTime: r.Started, Format: tar.FormatPAX,
		}
		err := archive.WriteHeader(h)
		if err == nil {
			_, err = archive.Write(file.content)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
