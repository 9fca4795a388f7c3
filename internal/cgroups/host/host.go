// Package host describes the cgroups of a machine: which hierarchies are mounted, where,
// with which controllers, and which cgroup this process is in. It changes nothing.
//
//	detect.go   reads /sys/fs/cgroup, /proc/self/cgroup and /proc/self/mountinfo
//	parse.go    the formats of the two tables (pure)
//	typical.go  imagined hosts, for plans
package host

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Mode is how the machine has cgroups mounted (cgroups(7)).
type Mode int

const (
	V1     Mode = iota + 1 // every controller on a v1 hierarchy
	Hybrid                 // v1 hierarchies and a v2 tree alongside them
	V2                     // one v2 tree on /sys/fs/cgroup
)

func (m Mode) String() string {
	switch m {
	case V1:
		return "v1"
	case Hybrid:
		return "hybrid"
	case V2:
		return "v2"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Hierarchy is one mounted cgroup tree.
type Hierarchy struct {
	// Controllers are the v1 controllers as named in /proc/self/cgroup ("cpu",
	// "cpuacct", "name=systemd"), or those that a v2 tree can enable.
	Controllers []string
	// Mount is the mount point, e.g. /sys/fs/cgroup/memory.
	Mount string
	// Root is the cgroup visible at Mount: "/" unless only a part of the tree is
	// mounted, as inside a container without a cgroup namespace.
	Root string
	// Current is the cgroup of this process, from the root of the tree.
	Current string
}

// CurrentPath returns the cgroup of this process as a path below the mount point: "/"
// if it is not in the part of the tree that is mounted.
func (t *Hierarchy) CurrentPath() string {
	rel, err := filepath.Rel(t.Root, t.Current)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "/"
	}
	return filepath.Join("/", rel)
}

// Directory returns the directory of a cgroup, named as in /proc/PID/cgroup, in this
// hierarchy's mount; ok is false if only another part of the tree is mounted.
func (t *Hierarchy) Directory(name string) (dir string, ok bool) {
	below, ok := strings.CutPrefix(name, strings.TrimSuffix(t.Root, "/"))
	return t.Mount + below, ok && strings.HasPrefix(below, "/")
}

// Host describes the cgroups of a machine. [Detect] fills it in; tests construct it.
type Host struct {
	Mode Mode
	V1   []Hierarchy // in the order of /proc/self/mountinfo
	V2   *Hierarchy  // nil on a v1 host
}

// IsV2Only reports whether the host has the v2 tree and no v1 hierarchy.
func (h *Host) IsV2Only() bool { return h.Mode == V2 }

// HasV1 reports whether a v1 hierarchy has the controller.
func (h *Host) HasV1(controller string) bool { return h.V1Hierarchy(controller) != nil }

// V1Hierarchy returns the v1 hierarchy of a controller, nil if there is none.
func (h *Host) V1Hierarchy(controller string) *Hierarchy {
	for i := range h.V1 {
		if slices.Contains(h.V1[i].Controllers, controller) {
			return &h.V1[i]
		}
	}
	return nil
}

// HasV2 reports whether the v2 tree can enable the controller.
func (h *Host) HasV2(controller string) bool {
	return h.V2 != nil && slices.Contains(h.V2.Controllers, controller)
}
