package rootfs

// This file records which destinations are in a new, empty file system: there is no link
// of the image on the way.

import (
	"maps"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

// isBelowNewFilesystem reports whether the nearest mount of config.json above a path is a new
// file system, which contains no links except the kernel's own.
func (c *compiler) isBelowNewFilesystem(p string) bool {
	for p != "/" {
		p = path.Dir(p)
		if fresh, ok := c.fresh[p]; ok {
			return fresh
		}
	}
	return false
}

// recordMount records what is mounted on the destination of m. If that may have led
// through a link, a later mount can put something else in its way: the image has /run
// -> /var/run, and there is a volume on /var.
func (c *compiler) recordMount(i int, m *specs.Mount, o spec.MountOptions) {
	if o.Flags&unix.MS_REMOUNT != 0 {
		return
	}
	where := cleanPath(m.Destination)
	fixed := where == "/dev" || where == "/proc" || where == "/sys" && m.Type == "sysfs" ||
		c.isBelowNewFilesystem(where)
	empty := !c.isBind(i) && !o.TmpCopyUp && startsEmpty(m.Type)
	if !empty && (!fixed || isBelow(where, "/sys")) {
		// A link of the image, or of sysfs, may have put its links into one of the new
		// file systems: /v -> /dev, and a volume on /v/x. Only /proc has no room for
		// them.
		maps.DeleteFunc(c.fresh, func(at string, _ bool) bool { return at != "/proc" && !isBelow(at, "/proc") })
	}
	c.fresh[where] = fixed && empty
}

func isBelow(p, dir string) bool { return strings.HasPrefix(p, dir+"/") }

// startsEmpty reports whether a new file system of a type contains nothing except what
// the kernel puts there. Others, such as overlay, have an image's files.
func startsEmpty(fstype string) bool {
	switch fstype {
	case "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2":
		return true
	}
	return false
}
