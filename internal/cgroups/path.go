// This file names cgroups: which one a container gets (pure, no system calls).

package cgroups

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Path converts linux.cgroupsPath to the name of the container's cgroup. The result is
// absolute ("/a/b", below the root of every hierarchy) or relative ("a/b", below the
// cgroup this process is in, which differs from hierarchy to hierarchy on v1);
// [Host.Group] resolves it. An empty cgroupsPath means the container's ID, relative,
// as in runc. ".." cannot leave the root: the path is resolved as if that were the
// root directory. On a host with only v2, "below the cgroup this process is in" means
// next to it.
//
// The root itself is refused: it is shared by the whole host, and deleting the
// container would delete the cgroups of all processes.
func Path(h *Host, cgroupsPath, id string) (string, error) {
	const source = "linux.cgroupsPath"
	if strings.ContainsAny(cgroupsPath, "\x00\n") {
		return "", fmt.Errorf("config.json: %s: %q contains a NUL or a newline, which a cgroup's name cannot contain", source, cgroupsPath)
	}
	path := cgroupsPath
	if path == "" {
		path = id
	}
	clean := filepath.Clean("/" + path)
	if clean == "/" {
		return "", fmt.Errorf("config.json: %s: %q is the root of the cgroup tree, which belongs to the whole host: name a cgroup below it", source, cgroupsPath)
	}
	if cgroupsPath != "" && cgroupsPath[0] == '/' {
		return clean, nil
	}
	return clean[1:], nil
}

// dir returns the directory of a cgroup named by [Path] in this hierarchy.
func (t *Hierarchy) dir(path string, v2only bool) string {
	if filepath.IsAbs(path) {
		return t.Mount + path
	}
	base := t.own()
	if v2only {
		// This process is inside its own cgroup, so controllers cannot be
		// enabled for children of it (cgroups(7), "no internal processes"):
		// use a sibling.
		base = filepath.Dir(base)
	}
	return filepath.Join(t.Mount, base, path)
}
