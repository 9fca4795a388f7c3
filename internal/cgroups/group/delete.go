package group

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/debuglog"
)

// Delete removes the group's directories and the cgroups below them, and kills any
// process that is left there. Parents stay: other containers may be in them. A
// directory that no longer exists is not an error, so Delete can be repeated. It gives
// up after timeout, with an error that lists the remaining processes.
func (g *Group) Delete(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for wait := 200 * time.Microsecond; ; wait = min(2*wait, 50*time.Millisecond) {
		var failed error
		busy := false
		for i := range g.directories {
			if err := removeTree(g.directories[i].path); err != nil {
				failed = err
				busy = busy || errors.Is(err, unix.EBUSY)
			}
		}
		if failed == nil || !busy {
			return failed
		}
		if err := g.Kill(unix.SIGKILL); err != nil {
			return fmt.Errorf("delete the cgroup: %w", err)
		}
		if time.Now().After(deadline) {
			pids, _ := g.TreeProcesses() // only for the message; the error is returned anyway
			return fmt.Errorf("delete the cgroup: %w: processes %v are still in it after %v", failed, pids, timeout)
		}
		time.Sleep(wait) // a killed process stays until the kernel is done with it
	}
}

// removeTree removes a cgroup and those below it.
func removeTree(path string) error {
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
	if err := checkNotRoot(path); err != nil {
		return err
	}
	c, err := openCursor(unix.AT_FDCWD, path, path)
	if err == nil {
		err = c.removeChildren()
		c.close()
	}
	if err != nil && !cgroupfs.IsGone(err) {
		return err
	}
	if err := unix.Rmdir(path); err != nil && err != unix.ENOENT {
		return fmt.Errorf("rmdir %s: %w", path, err)
	}
	return nil
}

// checkNotRoot keeps a wrong path in state.json from removing the cgroups of the whole
// host: the root of a hierarchy is the directory whose parent is not a cgroup.
func checkNotRoot(path string) error {
	if _, err := os.Lstat(filepath.Dir(path) + "/cgroup.procs"); err != nil {
		return fmt.Errorf("delete cgroup %s: it is the root of a hierarchy, or not a cgroup at all: %w", path, unix.EPERM)
	}
	return nil
}

// removeChildren removes the cgroups below one, deepest first.
func (c *cursor) removeChildren() error {
	names, err := c.children()
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		err := unix.Unlinkat(c.fd, name, unix.AT_REMOVEDIR)
		if err == unix.EBUSY {
			if below := c.visitChild(name, (*cursor).removeChildren); errors.Is(below, errLost) {
				return below
			} else if below != nil && !cgroupfs.IsGone(below) {
				failed = below
				continue
			}
			err = unix.Unlinkat(c.fd, name, unix.AT_REMOVEDIR)
		}
		if err != nil && err != unix.ENOENT {
			failed = fmt.Errorf("rmdir %s/%s: %w", c.path, name, err)
		}
	}
	return failed
}
