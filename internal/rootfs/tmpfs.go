package rootfs

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// detachedTmpfs makes a tmpfs that is attached nowhere, with options of the file system
// (an empty value means a flag) and attributes of the mount.
func (c *compiler) detachedTmpfs(name string, options [][2]string, attributes uint64) plan.Cell {
	b := c.b
	fs, mount := b.Cell("tmpfs"), b.Cell(name)
	b.Get("begin a tmpfs", "", plan.Then{}, fs, plan.Fsopen, b.Str("tmpfs"), plan.Int(unix.FSOPEN_CLOEXEC))
	c.fsString(fs, "source", "tmpfs", "name it tmpfs")
	for _, o := range options {
		if o[1] == "" {
			b.Call("set the flag "+o[0], "", plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_FLAG), b.Str(o[0]), plan.Int(0), plan.Int(0))
			continue
		}
		c.fsString(fs, o[0], o[1], "set its "+o[0])
	}
	b.Call("create the tmpfs", "", plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_CMD_CREATE), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Get("make its mount", "", plan.Then{}, mount, plan.Fsmount, plan.Of(fs), plan.Int(unix.FSMOUNT_CLOEXEC), plan.Int(attributes))
	c.close(fs)
	return mount
}
