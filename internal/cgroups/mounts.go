// This file defines how a container sees its cgroup: the mounts that implement a mount
// of type "cgroup", and the owner of the directory.

package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// Mounts lists the mounts for a container in this group (pure). With its own cgroup
// namespace the filesystem is mounted again from inside, and shows the container's
// cgroup as the root; otherwise that directory is bound, and on v2 the host's whole
// tree: /proc/self/cgroup contains a path in it, and runc and crun show it. On a
// hybrid host the v1 hierarchies are shown and the v2 tree is not, as in runc.
func (g *Group) Mounts(h *Host, cgroupns bool) []Mount {
	if h.Mode == V2 {
		m := Mount{FSType: "cgroup2"}
		if !cgroupns {
			m.Source = h.V2.Mount
		}
		return []Mount{m}
	}
	mounts := make([]Mount, 0, len(h.V1))
	for i := range h.V1 {
		t := &h.V1[i]
		m := Mount{Name: filepath.Base(t.Mount), FSType: "cgroup"}
		if cgroupns {
			m.Data = strings.Join(t.Controllers, ",")
			if strings.HasPrefix(m.Data, "name=") {
				m.Data = "none," + m.Data // a named hierarchy without controllers
			}
		} else if d := g.dir(t.Controllers[0], false); d != nil {
			m.Source = d.path
		} else {
			continue // a hierarchy that was mounted after the container was created
		}
		for _, c := range t.Controllers {
			if c = strings.TrimPrefix(c, "name="); c != m.Name {
				m.Aliases = append(m.Aliases, c)
			}
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// Delegate gives the v2 cgroup to a user of the host (config-linux.md "Cgroup
// ownership"): the directory and the files of /sys/kernel/cgroup/delegate in it, so
// that the container may create cgroups inside but not raise its own limits. On v1
// that would not be safe, and nothing is done.
func (g *Group) Delegate(uid int) error {
	d := g.dir("", true)
	if d == nil || !g.only {
		return nil
	}
	files := "cgroup.procs\ncgroup.subtree_control\ncgroup.threads"
	if list, err := readText("/sys/kernel/cgroup/delegate"); err == nil {
		files = list
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Chown(d.path, uid, -1); err != nil {
		return fmt.Errorf("give the cgroup to user %d: %w", uid, err)
	}
	for file := range strings.SplitSeq(files, "\n") {
		// The kernel's list is for any cgroup; this one need not have all the files.
		if err := os.Chown(filepath.Join(d.path, file), uid, -1); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("give the cgroup to user %d: %w", uid, err)
		}
	}
	return nil
}
