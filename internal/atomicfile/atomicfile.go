// Package atomicfile writes files under names that the user gives or that can be
// guessed, in directories that other users can write to.
//
//	Write   a small file, atomically: --pid-file, records
//	Create  an output that the user names: archives, reports; also a pipe or device
//	Append  a log
//
// Another user may have planted something under such a name: a symbolic link to one of
// root's files, a FIFO that has no reader, a file that the attacker keeps open. So
// content is written to a file that has no name, or one that cannot be guessed, and
// renamed in one step, which replaces a link instead of following it. A file that must
// be opened in place (a log, a pipe) is refused if it belongs to another user and is
// in a world-writable directory. The kernel has the same rule in
// fs.protected_symlinks, _fifos and _regular (proc_sys_fs(5)), but not on every host
// and not for every case.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// A File receives the content of an output. It gets its name at Commit.
type File struct {
	*os.File
	entry     *entry
	temporary string // its name until Commit; "" if it has none
	inPlace   bool   // a pipe or device: there is nothing to rename
}

// Write replaces the file of this name, or the symbolic link, with one that contains
// data. Any other kind of file is an error, also if it is the target of a link:
// /dev/stdout must stay what it is.
func Write(path string, data []byte, mode fs.FileMode) error {
	e, err := lookUp(path)
	if err != nil {
		return err
	}
	if !e.isReplaceable() {
		e.close()
		return fmt.Errorf("%s: not a regular file", path)
	}
	f, err := e.temporaryFile(mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return f.Done(err)
}

// CreateNew writes a file that must not exist.
func CreateNew(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// Create opens an output. A regular file is replaced at Commit and keeps its mode;
// until then, and after an error, it is unchanged. A link that the user or root
// created is followed. Pipes and devices are written to directly.
func Create(path string, mode fs.FileMode) (*File, error) {
	e, err := lookUp(path)
	if err != nil {
		return nil, err
	}
	if e.found && e.kind() == unix.S_IFLNK {
		if e, err = e.follow(); err != nil {
			return nil, err
		}
	}
	switch {
	case !e.found || e.kind() == unix.S_IFLNK: // a dangling link is replaced
		return e.temporaryFile(mode)
	case e.kind() == unix.S_IFREG:
		return e.temporaryFile(fs.FileMode(e.st.Mode & 0o777))
	}
	f, err := e.open(unix.O_WRONLY)
	e.close()
	if err != nil {
		return nil, err
	}
	return &File{File: f, inPlace: true}, nil
}

// Append opens a log and creates it if it does not exist. Writes go to its end.
func Append(path string, mode fs.FileMode) (f *os.File, err error) {
	const attempts = 10 // it may appear and disappear between look-up and open
	for range attempts {
		f, err = openLog(path, mode)
		if !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return f, err
}

func openLog(path string, mode fs.FileMode) (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_APPEND
	e, err := lookUp(path)
	if err != nil {
		return nil, err
	}
	defer e.close()
	switch {
	case !e.found:
		fd, err := unix.Openat(e.dir, e.name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, uint32(mode.Perm()))
		if err != nil {
			return nil, &os.PathError{Op: "create", Path: path, Err: err}
		}
		return os.NewFile(uintptr(fd), path), nil
	case e.kind() == unix.S_IFLNK && e.isForeign():
		return nil, e.refusalError()
	case e.kind() == unix.S_IFLNK:
		return os.OpenFile(path, flags|os.O_CREATE, mode)
	}
	return e.open(flags)
}

// CheckDirectory refuses an existing directory that belongs to another user and is in
// a world-writable directory: its owner could replace the files in it.
func CheckDirectory(path string) error {
	e, err := lookUp(filepath.Clean(path))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDirectoryName) {
		return nil
	}
	if err != nil {
		return err
	}
	e.close()
	if e.found && e.isForeign() {
		return e.refusalError()
	}
	return nil
}

// Done commits the file. If there was an error, it discards the file and returns the
// error.
func (f *File) Done(err error) error {
	if f.inPlace {
		return errors.Join(err, f.Close())
	}
	defer f.entry.close()
	if err == nil {
		err = f.move()
	}
	if err = errors.Join(err, f.Close()); f.temporary != "" {
		err = errors.Join(err, unix.Unlinkat(f.entry.dir, f.temporary, 0))
	}
	return err
}

// move renames the file to its final name.
func (f *File) move() error {
	from := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	if f.temporary == "" {
		err := unix.Linkat(unix.AT_FDCWD, from, f.entry.dir, f.entry.name, unix.AT_SYMLINK_FOLLOW)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return &os.PathError{Op: "link", Path: f.entry.path, Err: err}
		}
		name, err := randomName()
		if err == nil {
			err = unix.Linkat(unix.AT_FDCWD, from, f.entry.dir, name, unix.AT_SYMLINK_FOLLOW)
		}
		if err != nil {
			return &os.PathError{Op: "link", Path: f.entry.path, Err: err}
		}
		f.temporary = name
	}
	if err := unix.Renameat(f.entry.dir, f.temporary, f.entry.dir, f.entry.name); err != nil {
		return &os.PathError{Op: "replace", Path: f.entry.path, Err: err}
	}
	f.temporary = ""
	return nil
}

// randomName returns a file name that cannot be guessed.
func randomName() (string, error) {
	var b [8]byte
	if _, err := unix.Getrandom(b[:], 0); err != nil {
		return "", fmt.Errorf("getrandom: %w", err)
	}
	return fmt.Sprintf(".minirun-%x", b), nil
}
