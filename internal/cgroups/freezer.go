// This file handles a whole tree of frozen cgroups: finding out that a cgroup is
// frozen through one of its ancestors, and thawing those below it.
//
// With version 1 a frozen process cannot even die. A container that may write to its
// cgroups can freeze one that it created below its own, and the state of the outer one
// does not show that. A process that is created in, or moved into, a frozen cgroup
// stops before its first step, no matter what is waiting for it.

package cgroups

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrFrozen is wrapped by the error for a cgroup in which no process can run.
var ErrFrozen = errors.New("it is frozen, so no process can run there")

// RefuseFrozen returns an error that wraps ErrFrozen if the group is frozen, or will
// be once it is created: by itself or by a cgroup above it.
func (g *Group) RefuseFrozen() error {
	for i := range g.dirs {
		d := &g.dirs[i]
		file := "/cgroup.freeze"
		if slices.Contains(d.keys, "freezer") {
			file = "/freezer.self_freezing"
		} else if !d.v2() {
			continue
		}
		frozen, err := d.frozenAbove(file)
		if err != nil {
			return err
		}
		if frozen != "" {
			return fmt.Errorf("cgroup %s: %w: see %s", d.path, ErrFrozen, frozen)
		}
	}
	return nil
}

// frozenAbove returns the file of this name, of the directory or one above it, that
// reports a frozen cgroup; "" if there is none. A missing directory will be created in the
// state of its parent; the root of a hierarchy has no such file. This process is
// running, so neither its cgroup nor any above that is frozen.
func (d *dir) frozenAbove(name string) (file string, err error) {
	for at := d.path; at != "/" && at != "." && !strings.HasPrefix(d.own+"/", at+"/"); at = filepath.Dir(at) {
		state, err := readText(at + name)
		switch {
		case err == nil && state != "0":
			return at + name, nil
		case err == nil:
		case !gone(err):
			return "", err
		case unix.Access(at, unix.F_OK) == nil:
			return "", nil // it is the root
		}
	}
	return "", nil
}

// ThawInside thaws the cgroups below the group, and the group itself, in the freezer
// hierarchy of version 1. In version 2 a frozen process can be killed.
func (g *Group) ThawInside() error {
	d := g.dir("freezer", false)
	if d == nil {
		return nil
	}
	err := walk(d.path, func(at int, path string) error {
		err := writeAt(at, "freezer.state", "THAWED")
		if err != nil && !gone(err) {
			return fmt.Errorf("thaw %s: %w", path, err)
		}
		return nil
	})
	if gone(err) {
		return nil
	}
	return err
}

// writeAt writes a file of an open cgroup.
func writeAt(dir int, file, value string) error {
	fd, err := unix.Openat(dir, file, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(writeWhole(fd, value), unix.Close(fd))
}
