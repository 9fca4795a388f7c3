package inspect

import (
	"errors"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/regularfile"
)

// This file walks a directory that a container may be writing to at the same time. A
// name that was a directory may be a link to a directory of the host the next moment,
// so nothing is looked up by a path of the host: all names are resolved from the open
// directory, without following a link.

// A tree is an open directory: a layer.
type tree struct{ fd int }

// openTree opens a layer, whose path is on the host.
func openTree(dir string) (tree, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return tree{}, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	return tree{fd}, nil
}

func (t tree) close() { _ = unix.Close(t.fd) }

// open opens the file at a relative path; a link is not followed.
func (t tree) open(rel string, flags uint64) (int, error) {
	fd, err := regularfile.Openat2(t.fd, rel, &unix.OpenHow{
		Flags: flags | unix.O_NOFOLLOW, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return -1, &os.PathError{Op: "open in the layer", Path: rel, Err: err}
	}
	return fd, nil
}

// stat returns the kind and size of the file at a path: Nothing if the container has
// removed it, or replaced a parent directory with a link.
func (t tree) stat(rel string) (Kind, int64) {
	fd, err := t.open(rel, unix.O_PATH)
	if err != nil {
		return Nothing, 0
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Nothing, 0
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		if image.IsWhiteout(&st) {
			return Whiteout, st.Size
		}
	case unix.S_IFDIR:
		if image.IsOpaque("/proc/self/fd/" + strconv.Itoa(fd) + "/.") {
			return Opaque, st.Size
		}
		return Dir, st.Size
	case unix.S_IFREG:
		return File, st.Size
	case unix.S_IFLNK:
		return Link, st.Size
	}
	return Other, st.Size
}

// names lists a directory. One that has been removed or replaced is empty.
func (t tree) names(rel string) ([]string, error) {
	fd, err := t.open(rel, unix.O_RDONLY|unix.O_DIRECTORY)
	for _, changed := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EXDEV, unix.EAGAIN, unix.ENAMETOOLONG} {
		if errors.Is(err, changed) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// walk visits everything below a directory, each name before those in it.
func (t tree) walk(dir string, visit func(rel string, k Kind, size int64) error) error {
	names, err := t.names(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		rel := path.Join(dir, name)
		k, size := t.stat(rel)
		if k == Nothing {
			continue
		}
		if err := visit(rel, k, size); err != nil {
			return err
		}
		if k == Dir || k == Opaque {
			if err := t.walk(rel, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// walkLayer visits everything in a layer.
func walkLayer(dir string, visit func(rel string, k Kind, size int64) error) error {
	t, err := openTree(dir)
	if err != nil {
		return err
	}
	defer t.close()
	return t.walk(".", visit)
}
