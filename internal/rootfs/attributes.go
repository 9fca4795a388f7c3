package rootfs

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// This file decides which attributes a bind mount has: docs/mounts.md shows the result
// for each option, each flag of the source, and with a user namespace.

// flagAttributes pairs the flags of mount(2) that belong to one mount with the
// attributes of mount_setattr(2), except those for access times.
var flagAttributes = [...]struct {
	flag uintptr
	attr uint64
}{
	{unix.MS_RDONLY, unix.MOUNT_ATTR_RDONLY},
	{unix.MS_NOSUID, unix.MOUNT_ATTR_NOSUID},
	{unix.MS_NODEV, unix.MOUNT_ATTR_NODEV},
	{unix.MS_NOEXEC, unix.MOUNT_ATTR_NOEXEC},
	{unix.MS_NOSYMFOLLOW, unix.MOUNT_ATTR_NOSYMFOLLOW},
}

// accessTimeFlags are the flags of mount(2) that choose when access times are
// written.
const accessTimeFlags = unix.MS_NOATIME | unix.MS_RELATIME | unix.MS_STRICTATIME | unix.MS_NODIRATIME

// bindAttributes sets the attributes of a bind mount. Its options replace the
// flags of the source, as mount(2) does with MS_REMOUNT|MS_BIND: "ro" on a noexec
// source gives a read-only mount on which programs can be executed. Without any
// such option the mount has the flags of its source.
//
// In a user namespace the flags of the host's mounts are locked
// (mount_namespaces(7)). Locked flags that no option names are kept. An option
// that would clear one, or change the access time, fails with EPERM.
func (c *compiler) bindAttributes(mount plan.Cell, name string, o spec.MountOptions) {
	if !namesFlags(o) {
		return
	}
	all := attributesOf(o.Flags, o.ClearFlags)
	all.clr |= unsetAttributes(o.Flags)
	kept := attributesOf(o.Flags, o.ClearFlags)
	kept.clr |= unix.MOUNT_ATTR_NOSYMFOLLOW &^ kept.set // the kernel never locks it
	if all == kept || !c.inUserNamespace() {
		c.setAttr(name, mount, all)
		return
	}
	done, locked := c.b.Label(), c.b.Label()
	c.b.Add(plan.Op{Name: name, Then: plan.Then{Next: done, On: []plan.On{{Errno: unix.EPERM, To: locked}}}},
		plan.MountSetattr, plan.Of(mount), c.b.Str(""), plan.Int(unix.AT_EMPTY_PATH), c.attrWords(all), plan.Int(32))
	c.b.Place(locked)
	c.setAttr(name+", except locked flags", mount, kept)
	c.b.Place(done)
}

// inUserNamespace reports whether flags of mounts can be locked.
func (c *compiler) inUserNamespace() bool { return c.in.UserNS || c.in.Rootless || c.in.NoDevices }

// namesFlags reports whether any option is a flag of mount(2), apart from those that
// make it a bind mount.
func namesFlags(o spec.MountOptions) bool {
	return o.Flags&^(unix.MS_BIND|unix.MS_REC)|o.ClearFlags != 0
}

// unsetAttributes returns the attributes that no flag sets, to be cleared.
func unsetAttributes(set uintptr) (clr uint64) {
	for _, pair := range flagAttributes {
		if set&pair.flag == 0 {
			clr |= pair.attr
		}
	}
	return clr
}

// attributesOf translates flags of mount(2) to set and to clear into those of
// mount_setattr(2).
//
// The access time is one choice out of three, and nodiratime belongs to it: an option
// that sets any of them replaces them all, as in mount(2). "atime" and "nostrictatime"
// undo noatime and strictatime, which leaves relatime, the kernel's default.
// "diratime" undoes only nodiratime.
func attributesOf(set, clear uintptr) attr {
	var a attr
	for _, pair := range flagAttributes {
		switch {
		case set&pair.flag != 0:
			a.set |= pair.attr
		case clear&pair.flag != 0:
			a.clr |= pair.attr
		}
	}
	switch {
	case set&accessTimeFlags != 0:
		a.set |= accessTime(set)
		a.clr |= (unix.MOUNT_ATTR__ATIME | unix.MOUNT_ATTR_NODIRATIME) &^ (a.set & unix.MOUNT_ATTR_NODIRATIME)
	case clear&(unix.MS_NOATIME|unix.MS_STRICTATIME) != 0:
		a.clr |= unix.MOUNT_ATTR__ATIME
	}
	if set&accessTimeFlags == 0 && clear&unix.MS_NODIRATIME != 0 {
		a.clr |= unix.MOUNT_ATTR_NODIRATIME
	}
	return a
}

// accessTime returns the access time mode that flags choose: relatime by default.
func accessTime(set uintptr) uint64 {
	a := uint64(unix.MOUNT_ATTR_RELATIME)
	switch {
	case set&unix.MS_STRICTATIME != 0:
		a = unix.MOUNT_ATTR_STRICTATIME
	case set&unix.MS_NOATIME != 0:
		a = unix.MOUNT_ATTR_NOATIME
	}
	if set&unix.MS_NODIRATIME != 0 {
		a |= unix.MOUNT_ATTR_NODIRATIME
	}
	return a
}
