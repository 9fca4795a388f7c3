package group

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
)

// Tasks returns the files of the v1 hierarchies that a thread enters by writing "0":
// see the package comment.
func (g *Group) Tasks() []string {
	var files []string
	for _, d := range g.directories {
		if !d.isV2() {
			files = append(files, d.path+"/tasks")
		}
	}
	return files
}

// OpenV2 opens the directory in the v2 tree for CLONE_INTO_CGROUP (Linux 5.7); nil, nil
// if the group is in no v2 tree.
func (g *Group) OpenV2() (*os.File, error) {
	d := g.v2()
	if d == nil {
		return nil, nil
	}
	fd, err := unix.Open(d.path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.path, Err: err}
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// AddProcess moves a process with all its threads into the group. The first write may
// wait for the kernel: see the package comment.
func (g *Group) AddProcess(pid int) error {
	if pid <= 0 {
		return fmt.Errorf("move process %d into the cgroup: not a process ID", pid)
	}
	for i := range g.directories {
		d := &g.directories[i]
		var err error
		for range 5 {
			// EINVAL: the process has not run yet and the hierarchy schedules
			// realtime groups.
			if err = cgroupfs.WriteText(d.path+"/cgroup.procs", strconv.Itoa(pid)); !errors.Is(err, unix.EINVAL) {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
		if errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %d into cgroup %s: %w: the process exited", pid, d.path, err)
		}
		if err != nil {
			return fmt.Errorf("move process %d into the cgroup: %w%s", pid, err, d.enterHint(err))
		}
	}
	return nil
}

func (d *directory) enterHint(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return ": its cpuset has no CPUs or memory nodes"
	case errors.Is(err, unix.EBUSY) && d.isV2():
		return ": it has controllers enabled for its children, and then cannot have its own processes (cgroups(7))"
	case errors.Is(err, unix.EOPNOTSUPP) && d.isV2():
		return ": it is in an invalid or threaded state, see its cgroup.type (cgroups(7))"
	}
	return ""
}
