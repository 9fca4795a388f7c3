package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// RemoveFiles removes a container's files, the state directory last.
func (r *Record) RemoveFiles(dir string) error {
	debuglog.Printf("remove %s", dir)
	if err := r.RemoveHostMount(); err != nil {
		return err
	}
	if r.Work != "" {
		if err := RemoveWork(r.Work); err != nil {
			return fmt.Errorf("overlay's work directory: %w", err)
		}
	}
	// Most have only the record in their directory.
	if unix.Unlink(filepath.Join(dir, RecordFile)) == nil && unix.Rmdir(dir) == nil {
		return nil
	}
	err := os.RemoveAll(dir)
	if errors.Is(err, fs.ErrPermission) && RemoveWork(filepath.Join(dir, "work")) == nil {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	return nil
}

// RemoveWork removes a work directory. overlay has created directories without any
// permissions in it, which only root can enter.
func RemoveWork(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	for _, name := range []string{"work", "work/incompat", "work/incompat/volatile"} {
		_ = os.Chmod(filepath.Join(dir, name), 0o700) // those that exist
	}
	return os.RemoveAll(dir)
}
