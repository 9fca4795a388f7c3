// This file owns taking a group away.

package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/debuglog"
)

// Delete removes the group's directories with the cgroups made inside them,
// and kills whatever process is left there. Parents stay: other containers may
// be in them. A directory that is gone already is no error, so Delete can be
// repeated. It gives up at the deadline, saying who is still there.
func (g *Group) Delete(deadline time.Duration) error {
	if err := g.settle(); err != nil {
		return fmt.Errorf("delete the cgroup: %w", err)
	}
	until := time.Now().Add(deadline)
	for wait := 200 * time.Microsecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var left error
		busy := false
		for i := range g.dirs {
			if err := remove(g.dirs[i].path); err != nil {
				left = err
				busy = busy || errors.Is(err, unix.EBUSY)
			}
		}
		if left == nil || !busy {
			return left
		}
		if err := g.Kill(unix.SIGKILL); err != nil {
			return fmt.Errorf("delete the cgroup: %w", err)
		}
		if time.Now().After(until) {
			pids, _ := g.AllProcs() // only to say more; the error stands without
			return fmt.Errorf("delete the cgroup: %w: after %v still in it: processes %v", left, deadline, pids)
		}
		time.Sleep(wait) // a killed process stays until the kernel is done with it
	}
}

// remove removes one cgroup and those inside it.
func remove(path string) error {
	err := unix.Rmdir(path)
	switch err {
	case nil:
		debuglog.Printf("removed %s", path)
		return nil
	case unix.ENOENT:
		return nil
	case unix.EBUSY: // it has processes or children
	default:
		return fmt.Errorf("rmdir %s: %w", path, err)
	}
	if err := refuseRoot(path); err != nil {
		return err
	}
	if err := removeBelow(unix.AT_FDCWD, path, path); err != nil {
		return err
	}
	if err := unix.Rmdir(path); err != nil && err != unix.ENOENT {
		return fmt.Errorf("rmdir %s: %w", path, err)
	}
	return nil
}

// refuseRoot keeps a wrong path in state.json from removing the cgroups of the
// whole host: the root of a hierarchy is the one whose parent is no cgroup.
func refuseRoot(path string) error {
	if _, err := os.Lstat(filepath.Dir(path) + "/cgroup.procs"); err != nil {
		return fmt.Errorf("delete cgroup %s: it is the root of a hierarchy, or none at all, and not a container's: %w", path, unix.EPERM)
	}
	return nil
}

// removeBelow removes the children of a cgroup, deepest first. It goes by
// descriptors, since a container can nest cgroups deeper than a path is long.
func removeBelow(at int, name, path string) error {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil && !gone(err) {
		return fmt.Errorf("list %s: %w", path, err)
	}
	var left error
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		err := unix.Unlinkat(fd, e.Name(), unix.AT_REMOVEDIR)
		if err == unix.EBUSY {
			if err := removeBelow(fd, e.Name(), path+"/"+e.Name()); err != nil {
				left = err
				continue
			}
			err = unix.Unlinkat(fd, e.Name(), unix.AT_REMOVEDIR)
		}
		if err != nil && err != unix.ENOENT {
			left = fmt.Errorf("rmdir %s/%s: %w", path, e.Name(), err)
		}
	}
	return left
}
