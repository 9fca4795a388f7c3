package group

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/hint"
)

// Create creates the missing directories, including parents. An existing cgroup is
// used if it is empty, and is an error if it, or one below it, has processes: the limits
// would apply to them, and Delete would kill them. On an error everything that Create
// created is removed again.
func (g *Group) Create() (err error) {
	defer func() {
		if err != nil {
			g.RemoveCreated()
		}
	}()
	for i := range g.directories {
		d := &g.directories[i]
		if d.mount == "" {
			return fmt.Errorf("create cgroup %s: its mount point is not known", d.path)
		}
		isNew, err := g.makeDirectory(d, d.path)
		if err != nil {
			return fmt.Errorf("create cgroup: %w", err)
		}
		if !isNew {
			if err := d.checkUnused(); err != nil {
				return err
			}
		}
		if d.isV2() && g.v2Only {
			d.enableAllControllers()
		}
	}
	return nil
}

// CanCreate reports whether this user may create the group and move its own processes
// into it: below a cgroup that was delegated to it (cgroups(7), "Cgroups delegation").
func (g *Group) CanCreate() bool {
	for i := range g.directories {
		parent := filepath.Dir(g.directories[i].path)
		for unix.Access(parent, unix.F_OK) == unix.ENOENT {
			parent = filepath.Dir(parent)
		}
		if unix.Access(parent, unix.W_OK) != nil || unix.Access(parent+"/cgroup.procs", unix.W_OK) != nil {
			return false
		}
	}
	return len(g.directories) > 0
}

// RemoveCreated removes the directories that Create created, newest first: after a
// start that failed, the parents too. A directory that is in use stays: another container
// may have been created below a parent.
func (g *Group) RemoveCreated() {
	for _, path := range slices.Backward(g.created) {
		_ = unix.Rmdir(path)
	}
	g.created = nil
}

// makeDirectory creates path and its missing parents; isNew reports whether path did
// not exist.
func (g *Group) makeDirectory(d *directory, path string) (isNew bool, err error) {
	for range 3 {
		err = unix.Mkdir(path, 0o755)
		if err != unix.ENOENT || path == d.mount {
			break
		}
		// A parent can disappear again, when another process's failed Create removes
		// it.
		if _, err := g.makeDirectory(d, filepath.Dir(path)); err != nil {
			return false, err
		}
	}
	switch err {
	case nil:
		g.created = append(g.created, path)
		return true, d.fillCpuset(path)
	case unix.EEXIST:
		return false, d.fillEmptyCpuset(path)
	case unix.EROFS:
		return false, fmt.Errorf("mkdir %s: %w: the cgroup filesystem is mounted read-only, as in most containers", path, err)
	case unix.EACCES, unix.EPERM:
		return false, hint.Add(fmt.Errorf("mkdir %s: %w", path, err),
			"without root, name a cgroup that was delegated to you in linux.cgroupsPath")
	default:
		return false, fmt.Errorf("mkdir %s: %w", path, err)
	}
}

// The lists that every v1 cpuset needs (admin-guide/cgroup-v1/cpusets.rst).
var cpusetFiles = [2]string{"/cpuset.cpus", "/cpuset.mems"}

// fillCpuset copies cpuset.cpus and cpuset.mems from the parent: a new v1 cpuset is
// empty, and no process can enter an empty one. A v2 cpuset inherits by itself.
func (d *directory) fillCpuset(path string) error {
	if !d.hasEmptyCpusets(path) {
		return nil
	}
	for _, file := range cpusetFiles {
		if err := d.inheritCpuset(path, file); err != nil {
			return err
		}
	}
	return nil
}

// fillEmptyCpuset does the same for a cpuset that exists, unless it has a list already.
func (d *directory) fillEmptyCpuset(path string) error {
	if !d.hasEmptyCpusets(path) {
		return nil
	}
	for _, file := range cpusetFiles {
		list, err := cgroupfs.ReadText(path + file)
		if err != nil {
			return err
		}
		if list != "" {
			continue
		}
		if err := d.inheritCpuset(path, file); err != nil {
			return err
		}
	}
	return nil
}

func (d *directory) hasEmptyCpusets(path string) bool {
	return path != d.mount && slices.Contains(d.controllers, "cpuset")
}

func (d *directory) inheritCpuset(path, file string) error {
	parent := filepath.Dir(path)
	list, err := cgroupfs.ReadText(parent + file)
	if err == nil && list == "" { // created by a process that did not fill it
		if err = d.fillEmptyCpuset(parent); err == nil {
			list, err = cgroupfs.ReadText(parent + file)
		}
	}
	if err == nil {
		err = cgroupfs.WriteText(path+file, list)
	}
	if err != nil {
		return fmt.Errorf("inherit %s: %w", file[1:], err)
	}
	return nil
}
