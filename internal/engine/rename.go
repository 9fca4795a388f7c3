package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/engine/attendance"
	"github.com/minirun/minirun/internal/engine/reconfigure"
)

// Rename gives a stopped container another name. The name is that of its directory, which
// config.json refers to.
func (e *Engine) Rename(id, name string) error {
	r, err := e.Record(id)
	if err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	a, err := e.attend(id)
	if errors.Is(err, attendance.ErrClaimed) || err == nil && e.hasProcess(id) {
		err = fmt.Errorf("container %s is running: only a stopped one can be renamed\n"+
			"hint: minirun stop %[1]s; minirun rename %[1]s %[2]s; minirun start %[2]s", id, name)
	}
	if a != nil {
		defer a.leave()
	}
	if err != nil {
		return err
	}
	if err := a.cleanUp(r, true); err != nil {
		return err
	}
	from, to := e.Store.Container(id), e.Store.Container(name)
	config, err := os.ReadFile(e.file(id, "config.json"))
	if err == nil {
		config, err = reconfigure.Move(config, from, to)
	}
	if err != nil {
		return err
	}
	if err := renameNew(from, to); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = errExists(name)
		}
		return err
	}
	old := *r
	if err := e.writeName(r, name, config); err != nil { // such as a full disk
		return errors.Join(err, renameNew(to, from), writeJSON(e.file(id, recordFile), old))
	}
	return nil
}

// writeName writes the files of a container whose directory has been renamed.
func (e *Engine) writeName(r *Record, name string, config []byte) error {
	if err := atomicfile.Write(e.file(name, "config.json"), config, 0o600); err != nil {
		return err
	}
	r.Container = name
	return writeJSON(e.file(name, recordFile), r)
}

// finishRename finishes a rename that was killed after it had renamed the directory. Several
// processes may do so at the same time.
func (e *Engine) finishRename(r *Record, name string) error {
	config, err := os.ReadFile(e.file(name, "config.json"))
	if err == nil {
		config, err = reconfigure.Move(config, e.Store.Container(r.Container), e.Store.Container(name))
	}
	if err == nil {
		err = e.writeName(r, name, config)
	}
	if err != nil {
		return fmt.Errorf("finish the rename of container %s to %s: %w", r.Container, name, err)
	}
	return nil
}

// renameNew renames a directory, unless the new name exists.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
