package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A place is a name in an open directory, and the file it referred to when it was
// looked up.
type place struct {
	path, name string
	dir        int         // the directory, opened with O_PATH
	dirStat    unix.Stat_t // the directory
	st         unix.Stat_t // the file of that name, if found
	found      bool
}

var errDirectoryName = errors.New("is a directory")

// lookUp opens a path's directory and looks up its last component without following
// it.
func lookUp(path string) (*place, error) {
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
	at := &place{path: path, name: name, dir: dir}
	err = unix.Fstat(dir, &at.dirStat)
	if err == nil {
		err = unix.Fstatat(dir, name, &at.st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		at.close()
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	at.found = err == nil
	return at, nil
}

func (p *place) close() { _ = unix.Close(p.dir) }

func (p *place) kind() uint32 { return p.st.Mode & unix.S_IFMT }

// replaceable reports whether there is nothing, a regular file, or a link to either.
func (p *place) replaceable() bool {
	if !p.found || p.kind() == unix.S_IFREG {
		return true
	}
	var st unix.Stat_t
	return p.kind() == unix.S_IFLNK && (unix.Fstatat(p.dir, p.name, &st, 0) != nil || st.Mode&unix.S_IFMT == unix.S_IFREG)
}

// foreign reports whether another user may have planted this file: the directory is
// world-writable, or group-writable with the sticky bit, and the file belongs neither
// to this user nor to the directory's owner.
func (p *place) foreign() bool {
	m := p.dirStat.Mode
	open := m&unix.S_IWOTH != 0 || m&unix.S_ISVTX != 0 && m&unix.S_IWGRP != 0
	owners := p.st.Uid == p.dirStat.Uid && p.st.Uid != overflowUID
	return open && !owners && p.st.Uid != uint32(os.Geteuid())
}

// overflowUID is the owner that a user namespace shows for all users that it does not
// map, root of the host among them (user_namespaces(7)).
const overflowUID = 65534

func (p *place) refusal() error {
	return fmt.Errorf("%s: refused: it belongs to uid %d and is in a directory that others can write to\nhint: give another path, or remove it",
		p.path, p.st.Uid)
}

// follow looks up the target of a link. A dangling link is its own target.
func (p *place) follow() (*place, error) {
	if p.foreign() {
		p.close()
		return nil, p.refusal()
	}
	target, err := filepath.EvalSymlinks(p.path)
	if err == nil {
		p.close()
		return lookUp(target)
	}
	// Such as /dev/stdout, which is a pipe without a path.
	if err := unix.Stat(p.path, &p.st); err != nil {
		return p, nil
	}
	p.name = ""
	return p, nil
}

// open opens the file, which must still be the one that was looked up.
func (p *place) open(flags int) (*os.File, error) {
	if p.kind() == unix.S_IFDIR {
		return nil, &os.PathError{Op: "open", Path: p.path, Err: errDirectoryName}
	}
	if p.name == "" { // the target of a link in proc(5)
		return os.OpenFile(p.path, flags, 0)
	}
	if p.foreign() {
		return nil, p.refusal()
	}
	fd, err := unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), p.path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != p.st.Dev || st.Ino != p.st.Ino {
		return nil, errors.Join(fmt.Errorf("%s: replaced while it was opened", p.path), f.Close())
	}
	return f, nil
}

// temporaryFile creates the file that is later renamed to the place. It takes
// ownership of the place.
func (p *place) temporaryFile(mode fs.FileMode) (*File, error) {
	flags := unix.O_RDWR | unix.O_CLOEXEC
	fd, err := unix.Openat(p.dir, ".", flags|unix.O_TMPFILE, uint32(mode.Perm()))
	name := ""
	if err != nil { // a file system without O_TMPFILE, or another user's directory
		if name, err = randomName(); err == nil {
			fd, err = unix.Openat(p.dir, name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(mode.Perm()))
		}
	}
	if err != nil {
		p.close()
		return nil, &os.PathError{Op: "create", Path: p.path, Err: err}
	}
	return &File{File: os.NewFile(uintptr(fd), p.path), at: p, temporary: name}, nil
}
