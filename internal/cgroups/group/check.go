package group

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
)

// CheckUnused returns an error if the group, or a cgroup below it, has processes. A
// group that does not exist is unused.
func (g *Group) CheckUnused() error {
	for i := range g.directories {
		if err := g.directories[i].checkUnused(); err != nil && !cgroupfs.IsGone(err) {
			return err
		}
	}
	return nil
}

func (d *directory) checkUnused() error {
	if err := d.checkType(); err != nil {
		return err
	}
	pids, err := treeProcesses(d.path)
	if err == nil && len(pids) > 0 {
		err = fmt.Errorf("the container's cgroup is not empty: %d process(es) found in %s, such as %d\n"+
			"hint: choose another linux.cgroupsPath, or stop them", len(pids), d.path, pids[0])
	}
	return err
}

// CheckType explains why a process could not be started in the group, if the reason is
// the type of its v2 cgroup.
func (g *Group) CheckType() error {
	if d := g.v2(); d != nil {
		return d.checkType()
	}
	return nil
}

// checkType explains why a v2 cgroup next to or below threaded ones cannot have
// processes (cgroups(7), "Thread mode"). cgroup.type exists since Linux 4.14.
func (d *directory) checkType() error {
	if !d.isV2() {
		return nil
	}
	kind, err := cgroupfs.ReadText(d.path + "/cgroup.type")
	if cgroupfs.IsGone(err) {
		return nil
	}
	if err == nil && (kind == "threaded" || kind == "domain invalid") {
		err = fmt.Errorf("%s cannot have processes: its cgroup.type is %q, because a cgroup next to or above it "+
			"is threaded\nhint: choose another linux.cgroupsPath", d.path, kind)
	}
	return err
}

// ErrFrozen is wrapped by the error for a cgroup in which no process can run.
var ErrFrozen = errors.New("it is frozen, so no process can run there")

// CheckNotFrozen returns an error that wraps [ErrFrozen] if the group is frozen, or
// will be once it is created: by itself or by a cgroup above it. A process that is
// created in, or moved into, a frozen cgroup stops before its first step, no matter what
// waits for it.
func (g *Group) CheckNotFrozen() error {
	for i := range g.directories {
		d := &g.directories[i]
		file := "/cgroup.freeze" // Linux 5.2
		if slices.Contains(d.controllers, "freezer") {
			file = "/freezer.self_freezing"
		} else if !d.isV2() {
			continue
		}
		frozen, err := d.findFrozen(file)
		if err != nil {
			return err
		}
		if frozen != "" {
			return fmt.Errorf("cgroup %s: %w: see %s", d.path, ErrFrozen, frozen)
		}
	}
	return nil
}

// findFrozen returns the file of this name, of the directory or one above it, that
// reports a frozen cgroup; "" if there is none. A missing directory will be created in
// the state of its parent; the root of a hierarchy has no such file. This process is
// running, so neither its cgroup nor any above that is frozen.
func (d *directory) findFrozen(name string) (file string, err error) {
	isAncestor := func(path string) bool { return strings.HasPrefix(d.current+"/", path+"/") }
	for path := d.path; path != "/" && path != "." && !isAncestor(path); path = filepath.Dir(path) {
		state, err := cgroupfs.ReadText(path + name)
		switch {
		case err == nil && state != "0":
			return path + name, nil
		case err == nil:
		case !cgroupfs.IsGone(err):
			return "", err
		case unix.Access(path, unix.F_OK) == nil:
			return "", nil // it is the root
		}
	}
	return "", nil
}
