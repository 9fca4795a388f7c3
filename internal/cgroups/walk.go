// This file owns the walk through a cgroup and those made inside it. It goes by
// descriptors, since a container can nest cgroups deeper than a path is long.

package cgroups

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// walk calls visit with the descriptor and the path of a cgroup and of each
// inside it, outer ones first. One that vanishes meanwhile is left out; if it
// is the first one, the error is [gone].
func walk(path string, visit func(dir int, path string) error) error {
	return walkAt(unix.AT_FDCWD, path, path, visit)
}

func walkAt(at int, name, path string, visit func(dir int, path string) error) error {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := visit(fd, path); err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if err != nil && !gone(err) {
		return fmt.Errorf("list %s: %w", path, err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := walkAt(fd, e.Name(), path+"/"+e.Name(), visit); err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// treeProcs lists the processes of a cgroup and of those inside it.
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
