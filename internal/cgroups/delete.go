// This file deletes groups.

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

// Delete removes the group's directories and the cgroups below them, and kills any
// process that is left there. Parents stay: other containers may be in them. A
// directory that no longer exists is not an error, so Delete can be repeated. It gives
// up at the deadline, with an error that lists the remaining processes.
func (g *Group) Delete(deadline time.Duration) error {
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
			pids, _ := g.AllProcs() // only for the message; the error is returned anyway
			return fmt.Errorf("delete the cgroup: %w: after %v still in it: processes %v", left, deadline, pids)
		}
		time.Sleep(wait) // a killed process stays until the kernel is done with it
	}
}

// remove removes a cgroup and those below it.
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
	p, err := enterPlace(unix.AT_FDCWD, path, path)
	if err == nil {
		err = p.removeInside()
		p.close()
	}
	if err != nil && !gone(err) {
		return err
	}
	if err := unix.Rmdir(path); err != nil && err != unix.ENOENT {
		return fmt.Errorf("rmdir %s: %w", path, err)
	}
	return nil
}

// refuseRoot keeps a wrong path in state.json from removing the cgroups of the whole
// host: the root of a hierarchy is the directory whose parent is not a cgroup.
func refuseRoot(path string) error {
	if _, err := os.Lstat(filepath.Dir(path) + "/cgroup.procs"); err != nil {
		return fmt.Errorf("delete cgroup %s: it is the root of a hierarchy, or not a cgroup at all: %w", path, unix.EPERM)
	}
	return nil
}

// removeInside removes the cgroups below one, deepest first.
func (p *place) removeInside() error {
	names, err := p.inside()
	if err != nil {
		return err
	}
	var left error
	for _, name := range names {
		err := unix.Unlinkat(p.fd, name, unix.AT_REMOVEDIR)
		if err == unix.EBUSY {
			if inner := p.in(name, (*place).removeInside); errors.Is(inner, errLost) {
				return inner
			} else if inner != nil && !gone(inner) {
				left = inner
				continue
			}
			err = unix.Unlinkat(p.fd, name, unix.AT_REMOVEDIR)
		}
		if err != nil && err != unix.ENOENT {
			left = fmt.Errorf("rmdir %s/%s: %w", p.path, name, err)
		}
	}
	return left
}
