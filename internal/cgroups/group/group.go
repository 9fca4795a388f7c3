// Package group manages a container's cgroup: one directory in every hierarchy.
//
//	path.go         which cgroup a container gets (pure)
//	create.go       creates the directories, removes them after a failure
//	check.go        refuses a cgroup in which the container could not run, or not alone
//	controllers.go  enables the controllers of the v2 tree
//	enter.go        how processes get in
//	processes.go    lists processes
//	kill.go         signals them
//	freezer.go      freezes and thaws
//	walk.go         visits the cgroups below one
//	delete.go       kills what is left and removes the directories
//	mounts.go       how the container sees its cgroup; delegate.go gives it to a user
//
// # Entering a cgroup without waiting
//
// Writing another process's ID to cgroup.procs takes a kernel-wide lock, and the first
// writer waits for an RCU grace period: 8 to 12 ms on Linux 6.18 with nine v1
// hierarchies, all of it in the first write, 15 µs for each later one; writing in
// parallel is no better (11 ms), since all wait for the same lock. Two ways avoid it,
// 0.1 to 0.2 ms together:
//   - v1: a process that writes "0" to `tasks` moves only itself. The plan of a
//     container has a step for each file of [Group.Tasks].
//   - v2: clone3 with CLONE_INTO_CGROUP and the descriptor of [Group.OpenV2].
//
// [Group.AddProcess] is for existing processes. On nine v1 hierarchies and a v2 tree,
// medians in a warm process on a busy machine: Create 190 µs, Delete 150 µs.
package group

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/host"
)

// Group is the cgroup of one container. Its methods are not safe for concurrent use.
type Group struct {
	directories []directory // one per hierarchy: v1 in the host's order, then v2
	v2Only      bool        // there is only the v2 tree
	created     []string    // what Create made, oldest first
}

type directory struct {
	controllers []string // of the v1 hierarchy; {""} for the v2 tree
	path        string   // absolute
	mount       string   // the hierarchy's mount point; "" if the group was opened from paths
	current     string   // this process's cgroup in the hierarchy; "" in the same case
}

func (d *directory) isV2() bool { return d.controllers[0] == "" }

// New returns the container's cgroup on a host; path is a result of [Path]. It creates
// nothing.
func New(h *host.Host, path string) *Group {
	return fromHierarchies(h, func(t *host.Hierarchy) string { return hierarchyPath(t, path, h.IsV2Only() && t == h.V2) })
}

// Current returns the group that this process is in.
func Current(h *host.Host) *Group {
	return fromHierarchies(h, func(t *host.Hierarchy) string { return filepath.Join(t.Mount, t.CurrentPath()) })
}

func fromHierarchies(h *host.Host, pathIn func(*host.Hierarchy) string) *Group {
	g := &Group{v2Only: h.IsV2Only()}
	add := func(t *host.Hierarchy, controllers []string) {
		current := filepath.Join(t.Mount, t.CurrentPath())
		g.directories = append(g.directories, directory{controllers, pathIn(t), t.Mount, current})
	}
	for i := range h.V1 {
		add(&h.V1[i], h.V1[i].Controllers)
	}
	if h.V2 != nil {
		add(h.V2, []string{""})
	}
	return g
}

// Open returns the group with the directories in state.json's cgroup_paths: see
// [Group.Paths].
func Open(paths map[string]string) *Group {
	g := &Group{}
	for _, controller := range slices.Sorted(maps.Keys(paths)) {
		path := paths[controller]
		if path == "" || controller == "" {
			continue
		}
		if i := slices.IndexFunc(g.directories, func(d directory) bool { return d.path == path }); i >= 0 {
			g.directories[i].controllers = append(g.directories[i].controllers, controller) // "cpu,cpuacct"
			continue
		}
		g.directories = append(g.directories, directory{controllers: []string{controller}, path: path})
	}
	if path := paths[""]; path != "" {
		g.v2Only = len(g.directories) == 0
		g.directories = append(g.directories, directory{controllers: []string{""}, path: path})
	}
	return g
}

// OpenOn is like [Open], but also finds the mount points, which are needed to create
// the directories and to enable a v2 controller.
func OpenOn(h *host.Host, paths map[string]string) *Group {
	g := Open(paths)
	for i := range g.directories {
		d := &g.directories[i]
		if t := g.hierarchy(h, d); t != nil && strings.HasPrefix(d.path, t.Mount+"/") {
			d.mount = t.Mount
		}
	}
	return g
}

// hierarchy returns the hierarchy of a directory, nil if the host has none.
func (g *Group) hierarchy(h *host.Host, d *directory) *host.Hierarchy {
	if d.isV2() {
		return h.V2
	}
	return h.V1Hierarchy(d.controllers[0])
}

// Paths returns a directory for each controller ("cpu", "name=systemd"; "" for the v2
// tree), as in state.json's cgroup_paths.
func (g *Group) Paths() map[string]string {
	paths := make(map[string]string, len(g.directories)+1)
	for _, d := range g.directories {
		for _, controller := range d.controllers {
			paths[controller] = d.path
		}
	}
	return paths
}

// Dirs returns the group's directories, v1 hierarchies first.
func (g *Group) Dirs() []string {
	var dirs []string
	for _, d := range g.directories {
		dirs = append(dirs, d.path)
	}
	return dirs
}

// Names returns the group's path in each hierarchy, as in /proc/PID/cgroup, by its
// controllers: "cpu,cpuacct", "name=systemd", "" for the v2 tree.
func (g *Group) Names(h *host.Host) map[string]string {
	names := make(map[string]string, len(g.directories))
	for i := range g.directories {
		d := &g.directories[i]
		if t := g.hierarchy(h, d); t != nil {
			names[strings.Join(d.controllers, ",")] = filepath.Join(t.Root, strings.TrimPrefix(d.path, t.Mount))
		}
	}
	return names
}

// IsV2Only reports whether the group is in the v2 tree and in no v1 hierarchy.
func (g *Group) IsV2Only() bool { return g.v2Only }

// V1Directory returns the directory in the v1 hierarchy of a controller, "" if there is
// none.
func (g *Group) V1Directory(controller string) string {
	if d := g.lookup(controller); d != nil {
		return d.path
	}
	return ""
}

// V2Directory returns the directory in the v2 tree, "" if there is none.
func (g *Group) V2Directory() string {
	if d := g.v2(); d != nil {
		return d.path
	}
	return ""
}

func (g *Group) v2() *directory { return g.lookup("") }

// lookup returns the directory for a v1 controller, or "" for the v2 tree; nil if there is
// none.
func (g *Group) lookup(controller string) *directory {
	for i := range g.directories {
		if slices.Contains(g.directories[i].controllers, controller) {
			return &g.directories[i]
		}
	}
	return nil
}
