// This file owns a container's cgroup as directories: naming, making, entering.

package cgroups

import "os"

// Group is the cgroup of one container: a directory in every hierarchy.
type Group struct {
	dirs []dir // one per hierarchy; v1 first, in mount order; v2 last
}

type dir struct {
	keys []string // controllers, or "" for v2
	path string
}

// Group names the container's cgroup; path is from [Path]. No side effects.
func (h *Host) Group(path string) *Group { panic("in work") }

// Open names a group by the directories in state.json's cgroup_paths.
func Open(paths map[string]string) *Group { panic("in work") }

// Paths has a directory for each controller ("cpu", "name=systemd"; "" for the
// v2 tree), as state.json's cgroup_paths.
func (g *Group) Paths() map[string]string { panic("in work") }

// Create makes the directories.
func (g *Group) Create() error { panic("in work") }

// Inside runs fork on a new thread that is a member of the v1 cgroups, so that a process
// it starts is born there; on v2 it only runs it.
func (g *Group) Inside(fork func() error) error { panic("in work") }

// Dir opens the v2 directory for CLONE_INTO_CGROUP; nil, nil if the host has no v2 tree.
func (g *Group) Dir() (*os.File, error) { panic("in work") }

// Add moves a process that exists already into the group.
func (g *Group) Add(pid int) error { panic("in work") }

// Apply writes the values that are not Late.
func (g *Group) Apply(values []Value) error { panic("in work") }

// ApplyLate writes the Late ones, once the container's process is in the group.
func (g *Group) ApplyLate(values []Value) error { panic("in work") }
