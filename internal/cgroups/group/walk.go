package group

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
)

// cursor is the position of a walk through a cgroup and those below it: an open
// directory. It uses descriptors, since a container can nest cgroups deeper than the
// maximum length of a path, and keeps only one open at a time, since it can nest them
// deeper than the limit of open files.
type cursor struct {
	fd   int
	path string // for messages
}

func openCursor(parent int, name, path string) (cursor, error) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return cursor{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return cursor{fd, path}, nil
}

func (c *cursor) close() { _ = unix.Close(c.fd) }

// children lists the cgroups directly below.
func (c *cursor) children() (names []string, err error) {
	fd, err := unix.Openat(c.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: c.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), c.path)
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil && !cgroupfs.IsGone(err) {
		return nil, fmt.Errorf("list %s: %w", c.path, err)
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// errLost means that a walk could not return to the parent, and must end.
var errLost = errors.New("the cgroup above cannot be opened again")

// visitChild moves to a child cgroup, calls visit, and returns. A cgroup is never moved
// to another parent, and one that was removed still leads to its old parent.
func (c *cursor) visitChild(name string, visit func(c *cursor) error) error {
	parentPath := c.path
	child, err := openCursor(c.fd, name, parentPath+"/"+name)
	if err != nil {
		return err
	}
	c.close()
	*c = child
	err = visit(c)
	parent, lost := openCursor(c.fd, "..", parentPath)
	if lost != nil {
		return fmt.Errorf("%s: %w", parentPath, errLost)
	}
	c.close()
	*c = parent
	return err
}

// walk calls visit with the descriptor and the path of a cgroup and of each below it,
// outer ones first. One that disappears meanwhile is skipped; if it is the first one,
// the error is one of [cgroupfs.IsGone].
func walk(path string, visit func(fd int, path string) error) error {
	c, err := openCursor(unix.AT_FDCWD, path, path)
	if err != nil {
		return err
	}
	defer c.close()
	return c.walk(visit)
}

func (c *cursor) walk(visit func(fd int, path string) error) error {
	if err := visit(c.fd, c.path); err != nil {
		return err
	}
	names, err := c.children()
	if err != nil {
		return err
	}
	for _, name := range names {
		err := c.visitChild(name, func(c *cursor) error { return c.walk(visit) })
		if err != nil && !cgroupfs.IsGone(err) {
			return err
		}
	}
	return nil
}
