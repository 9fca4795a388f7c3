package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// entry is a name in an open directory, and the file it referred to when it was
// looked up.
type entry struct {
	path, name string
	dir        int         // the directory, opened with O_PATH
	dirStat    unix.Stat_t // the directory
	st         unix.Stat_t // the file of that name, if found
	found      bool
}

var errDirectoryName = errors.New("is a directory")

// lookUp opens a path's directory and looks up its last component without following
// it.
func lookUp(path string) (*entry, error) {
	parent, name := filepath.Split(path)
	if name == "" || name == "." || name == ".." {
		return nil, &os.PathError{Op: "create", Path: path, Err: errDirectoryName}
	}
	if parent == "" {
		parent = "."
	}
	dir, err := unix.Open(parent, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: parent, Err: err}
	}
	e := &entry{path: path, name: name, dir: dir}
	err = unix.Fstat(dir, &e.dirStat)
	if err == nil {
		err = unix.Fstatat(dir, name, &e.st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		e.close()
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	e.found = err == nil
	return e, nil
}

func (e *entry) close() { _ = unix.Close(e.dir) }

func (e *entry) kind() uint32 { return e.st.Mode & unix.S_IFMT }

// isReplaceable reports whether there is nothing, a regular file, or a link to either.
func (e *entry) isReplaceable() bool {
	if !e.found || e.kind() == unix.S_IFREG {
		return true
	}
	var st unix.Stat_t
	return e.kind() == unix.S_IFLNK && (unix.Fstatat(e.dir, e.name, &st, 0) != nil || st.Mode&unix.S_IFMT == unix.S_IFREG)
}

// isForeign reports whether another user may have planted this file: the directory is
// world-writable, or group-writable with the sticky bit, and the file belongs neither
// to this user nor to the directory's owner.
func (e *entry) isForeign() bool {
	m := e.dirStat.Mode
	open := m&unix.S_IWOTH != 0 || m&unix.S_ISVTX != 0 && m&unix.S_IWGRP != 0
	owners := e.st.Uid == e.dirStat.Uid && e.st.Uid != overflowUID
	return open && !owners && e.st.Uid != uint32(os.Geteuid())
}

// overflowUID is the owner that a user namespace shows for all users that it does not
// map, root of the host among them (user_namespaces(7)).
const overflowUID = 65534

func (e *entry) refusalError() error {
	return fmt.Errorf("%s: refused: it belongs to uid %d and is in a directory that others can write to\n"+
		"hint: give another path, or remove it",
		e.path, e.st.Uid)
}

// follow looks up the target of a link. A dangling link is its own target.
func (e *entry) follow() (*entry, error) {
	if e.isForeign() {
		e.close()
		return nil, e.refusalError()
	}
	target, err := filepath.EvalSymlinks(e.path)
	if err == nil {
		e.close()
		return lookUp(target)
	}
	// Such as /dev/stdout, which is a pipe without a path.
	if err := unix.Stat(e.path, &e.st); err != nil {
		return e, nil
	}
	e.name = ""
	return e, nil
}

// open opens the file, which must still be the one that was looked up.
func (e *entry) open(flags int) (*os.File, error) {
	if e.kind() == unix.S_IFDIR {
		return nil, &os.PathError{Op: "open", Path: e.path, Err: errDirectoryName}
	}
	if e.name == "" { // the target of a link in proc(5)
		return os.OpenFile(e.path, flags, 0)
	}
	if e.isForeign() {
		return nil, e.refusalError()
	}
	fd, err := unix.Openat(e.dir, e.name, flags|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: e.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), e.path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != e.st.Dev || st.Ino != e.st.Ino {
		return nil, errors.Join(fmt.Errorf("%s: the file was replaced while it was opened", e.path), f.Close())
	}
	return f, nil
}

// temporaryFile creates the file that is later renamed to the place. It takes
// ownership of the place.
func (e *entry) temporaryFile(mode fs.FileMode) (*File, error) {
	flags := unix.O_RDWR | unix.O_CLOEXEC
	fd, err := unix.Openat(e.dir, ".", flags|unix.O_TMPFILE, uint32(mode.Perm()))
	name := ""
	if err != nil { // a file system without O_TMPFILE, or another user's directory
		if name, err = randomName(); err == nil {
			fd, err = unix.Openat(e.dir, name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(mode.Perm()))
		}
	}
	if err != nil {
		e.close()
		return nil, &os.PathError{Op: "create", Path: e.path, Err: err}
	}
	return &File{File: os.NewFile(uintptr(fd), e.path), entry: e, temporary: name}, nil
}
