package rootfs

import (
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// A tmpfs is empty when it is mounted. What config.json puts into it needs files to be
// created: targets of later mounts, devices, the working directory. So a read-only
// tmpfs is writable until all of them exist.

// A delayedReadonly is a mount that becomes read-only at the end.
type delayedReadonly struct {
	mount plan.Cell
	path  string
	index int // in mounts
}

// delayReadonly removes read-only from the options of a tmpfs, and reports whether it
// was set.
func (c *compiler) delayReadonly(m *specs.Mount, o *spec.MountOptions) bool {
	if m.Type != "tmpfs" {
		return false
	}
	readonly := o.Flags&unix.MS_RDONLY != 0 || o.RecSet&unix.MOUNT_ATTR_RDONLY != 0
	o.Flags &^= unix.MS_RDONLY
	o.RecSet &^= unix.MOUNT_ATTR_RDONLY
	return readonly
}

// closeOrDelay closes the descriptor of a mount: now, or with readonly after the mount
// has become read-only. A remount overrides an earlier entry of config.json.
func (c *compiler) closeOrDelay(i int, mount plan.Cell, where string, readonly bool) {
	if o, _ := spec.ParseMountOptions(c.spec.Mounts[i].Options); o.Flags&unix.MS_REMOUNT != 0 {
		c.cancelReadonly(where)
	}
	if !readonly {
		c.close(mount)
		return
	}
	c.delayed = append(c.delayed, delayedReadonly{mount, where, i})
}

// cancelReadonly drops the last delayed change of the mount on a path.
func (c *compiler) cancelReadonly(where string) {
	for i := len(c.delayed) - 1; i >= 0; i-- {
		if c.delayed[i].path == where {
			c.close(c.delayed[i].mount)
			c.delayed = slices.Delete(c.delayed, i, i+1)
			return
		}
	}
}

// makeMountsReadonly adds the delayed changes.
func (c *compiler) makeMountsReadonly() {
	for _, d := range c.delayed {
		c.b.In(plan.Filesystem, mountSource(d.index))
		c.setAttr("make "+d.path+" read-only", d.mount, attr{set: unix.MOUNT_ATTR_RDONLY})
		c.close(d.mount)
	}
}
