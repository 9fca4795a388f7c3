// Package resctrl puts containers into groups of the kernel's resctrl file system,
// which divides caches and memory bandwidth and counts their use (Intel RDT, AMD QoS,
// Arm MPAM; Documentation/filesystems/resctrl.rst; config-linux.md, "IntelRdt").
//
//	/sys/fs/resctrl            the default group, with schemata and tasks
//	  info/                    the processor's capabilities
//	  mon_groups/NAME/         a monitoring group of the default group
//	  CLOSID/                  a group: schemata, tasks, mon_groups/NAME/
//
// newPlan is pure. The other functions work below a root directory that they get as an
// argument; only Find looks for it.
package resctrl

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// A Group is a container's group in the resctrl file system. It is part of the
// container's record.
type Group struct {
	Root    string `json:"root"`              // the mount point
	Control string `json:"control"`           // the group's directory
	Monitor string `json:"monitor,omitempty"` // the monitoring group's directory, which is created for the container
	// Private is true if the group is created for the container and removed with it. A
	// group with a closID outlives the containers in it.
	Private bool `json:"own,omitempty"`
}

// A Plan is the set of changes that give a container its group.
type Plan struct {
	Group
	Create bool // the group's directory
	// Matching are lines that the schemata file must already contain.
	Matching []string
	// Writes are written to the schemata file, one after the other.
	Writes []string
}

// isReserved reports whether a name is the one of a directory of the kernel's own at the root.
func isReserved(name string) bool {
	return name == "info" || name == "mon_groups" || name == "mon_data"
}

// newPlan returns the plan for linux.intelRdt of the container id (pure). exists
// reports whether a directory exists below root.
func newPlan(root, id string, r *specs.LinuxIntelRdt, exists func(dir string) bool) (*Plan, error) {
	name := r.ClosID
	if name == "" {
		name = id
	}
	if isReserved(name) {
		return nil, fmt.Errorf("the resctrl group cannot be named %q: the kernel uses that name", name)
	}
	p := &Plan{Group: Group{Root: root, Control: filepath.Join(root, name)}}
	found := exists(p.Control)
	legacy := nonEmpty(r.L3CacheSchema, r.MemBwSchema)
	switch {
	case r.ClosID == "":
		p.Private = !found
	case found:
		p.Matching = legacy
	case len(legacy)+len(r.Schemata) == 0:
		return nil, &MissingError{Dir: p.Control}
	}
	p.Create = !found
	// Two writes: the kernel refuses one that names a cache twice, and schemata may
	// contain those of the other two fields again.
	for _, text := range []string{strings.Join(legacy, "\n"), strings.Join(r.Schemata, "\n")} {
		if text != "" {
			p.Writes = append(p.Writes, text)
		}
	}
	if r.EnableMonitoring {
		p.Monitor = filepath.Join(p.Control, "mon_groups", id)
	}
	return p, nil
}

// nonEmpty returns the non-empty lines.
func nonEmpty(all ...string) (given []string) {
	for _, l := range all {
		if l != "" {
			given = append(given, l)
		}
	}
	return given
}

// A MissingError reports a closID without a group, and without schemata to create one.
type MissingError struct{ Dir string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("the group %s does not exist, and no schemata is given to create it with", e.Dir)
}

// ErrNotMounted is wrapped by the errors of Find.
var ErrNotMounted = errors.New("resctrl is not mounted")
