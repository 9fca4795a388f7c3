package group

import (
	"path/filepath"
	"strings"

	"github.com/minirun/minirun/internal/cgroups/host"
)

// Mount is one of the mounts that implement a mount of type "cgroup" in config.json.
type Mount struct {
	// Name is the directory below the destination; "" is the destination itself (v2).
	// If any mount has a name, a tmpfs is mounted on the destination first.
	Name string
	// Source is the directory to bind; "" if FSType has to be mounted.
	Source string
	// FSType is "cgroup" or "cgroup2".
	FSType string
	// Data are the options of the new mount, e.g. "cpu,cpuacct".
	Data string
	// Aliases are symbolic links next to Name that point to it, as hosts have them for
	// controllers on one hierarchy: "cpu" → "cpu,cpuacct".
	Aliases []string
}

// NewMounts lists the mounts for a container with its own cgroup namespace: the
// filesystem is mounted again from inside, and shows the container's cgroup as the root.
// On a hybrid host the v1 hierarchies are shown and the v2 tree is not, as in runc.
func NewMounts(h *host.Host) []Mount {
	if h.IsV2Only() {
		return []Mount{{FSType: "cgroup2"}}
	}
	mounts := make([]Mount, 0, len(h.V1))
	for i := range h.V1 {
		m := hierarchyMount(&h.V1[i])
		m.Data = strings.Join(h.V1[i].Controllers, ",")
		if strings.HasPrefix(m.Data, "name=") {
			m.Data = "none," + m.Data // a named hierarchy without controllers
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// BindMounts lists the mounts for a container in the host's cgroup namespace: the
// container's directories are bound, and on v2 the host's whole tree, since
// /proc/self/cgroup contains a path in it, and runc and crun show it.
func (g *Group) BindMounts(h *host.Host) []Mount {
	if h.IsV2Only() {
		return []Mount{{FSType: "cgroup2", Source: h.V2.Mount}}
	}
	mounts := make([]Mount, 0, len(h.V1))
	for i := range h.V1 {
		m := hierarchyMount(&h.V1[i])
		m.Source = g.V1Directory(h.V1[i].Controllers[0])
		if m.Source == "" {
			continue // the hierarchy was mounted after the container was created
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// hierarchyMount returns the mount of a v1 hierarchy, without its source.
func hierarchyMount(t *host.Hierarchy) Mount {
	m := Mount{Name: filepath.Base(t.Mount), FSType: "cgroup"}
	for _, c := range t.Controllers {
		if c = strings.TrimPrefix(c, "name="); c != m.Name {
			m.Aliases = append(m.Aliases, c)
		}
	}
	return m
}
