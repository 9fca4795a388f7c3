// This file walks a cgroup and those below it. It uses descriptors, since a container
// can nest cgroups deeper than the maximum length of a path, and keeps only one open
// at a time, since it can nest them deeper than the limit of open files.

package cgroups

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A place is the current position of a walk: an open cgroup.
type place struct {
	fd   int
	path string
}

func enterPlace(at int, name, path string) (place, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return place{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return place{fd, path}, nil
}

func (p *place) close() { _ = unix.Close(p.fd) }

// inside lists the cgroups directly below.
func (p *place) inside() (names []string, err error) {
	fd, err := unix.Openat(p.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: p.path, Err: err}
	}
	f := os.NewFile(uintptr(fd), p.path)
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil && !gone(err) {
		return nil, fmt.Errorf("list %s: %w", p.path, err)
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

// in calls do in a child cgroup, and returns. A cgroup is never moved to another
// parent, and one that was removed still leads to its old parent.
func (p *place) in(name string, do func(p *place) error) error {
	outer := p.path
	inner, err := enterPlace(p.fd, name, outer+"/"+name)
	if err != nil {
		return err
	}
	p.close()
	*p = inner
	err = do(p)
	back, lost := enterPlace(p.fd, "..", outer)
	if lost != nil {
		return fmt.Errorf("%s: %w", outer, errLost)
	}
	p.close()
	*p = back
	return err
}

// walk calls visit with the descriptor and the path of a cgroup and of each below it,
// outer ones first. One that disappears meanwhile is skipped; if it is the first one,
// the error is [gone].
func walk(path string, visit func(dir int, path string) error) error {
	p, err := enterPlace(unix.AT_FDCWD, path, path)
	if err != nil {
		return err
	}
	defer p.close()
	return p.walk(visit)
}

func (p *place) walk(visit func(dir int, path string) error) error {
	if err := visit(p.fd, p.path); err != nil {
		return err
	}
	names, err := p.inside()
	if err != nil {
		return err
	}
	for _, name := range names {
		err := p.in(name, func(p *place) error { return p.walk(visit) })
		if err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// treeProcs lists the processes of a cgroup and of those below it.
func treeProcs(dir string) (pids []int, err error) {
	err = walk(dir, func(at int, path string) error {
		fd, err := unix.Openat(at, "cgroup.procs", unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: path + "/cgroup.procs", Err: err}
		}
		defer func() { _ = unix.Close(fd) }()
		text, err := readFD(fd)
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil // a threaded cgroup's processes are listed above it
		}
		if err != nil {
			return &os.PathError{Op: "read", Path: path + "/cgroup.procs", Err: err}
		}
		more, err := parseProcs(text, path)
		pids = append(pids, more...)
		return err
	})
	return pids, err
}
