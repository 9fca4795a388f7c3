package group

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/host"
)

// Path converts linux.cgroupsPath to the name of the container's cgroup. The result is
// absolute ("/a/b", below the root of every hierarchy) or relative ("a/b", below the
// cgroup this process is in, which differs from hierarchy to hierarchy on v1); [New]
// resolves it. An empty cgroupsPath means the container's ID, relative, as in runc. ".."
// cannot leave the root: the path is resolved as if that were the root directory. On a
// host with only v2, "below the cgroup this process is in" means next to it.
//
// The root itself is an error: it is shared by the whole host, and deleting the
// container would delete the cgroups of all processes. The caller adds the field and its
// value to the error.
func Path(cgroupsPath, id string) (string, error) {
	if strings.ContainsAny(cgroupsPath, "\x00\n") {
		return "", errors.New("it contains a NUL or a newline, which a cgroup's name cannot contain")
	}
	path := cgroupsPath
	if path == "" {
		path = id
	}
	clean := filepath.Clean("/" + path)
	if clean == "/" {
		return "", errors.New("it is the root of the cgroup tree, which belongs to the whole host\n" +
			"hint: name a cgroup below it")
	}
	if strings.HasPrefix(cgroupsPath, "/") {
		return clean, nil
	}
	return clean[1:], nil
}

// hierarchyPath returns the directory of a cgroup named by [Path] in a hierarchy.
func hierarchyPath(t *host.Hierarchy, path string, v2Only bool) string {
	if filepath.IsAbs(path) {
		return t.Mount + path
	}
	base := t.CurrentPath()
	if v2Only {
		// This process is inside its own cgroup, so controllers cannot be enabled for
		// children of it (cgroups(7), "no internal processes"): use a sibling.
		base = filepath.Dir(base)
	}
	return filepath.Join(t.Mount, base, path)
}
