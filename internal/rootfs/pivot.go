package rootfs

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// Pivot adds the steps after which "/" is the new root and the host's tree cannot be
// reached.
func (r *Root) Pivot() {
	c := r.c
	b := c.b
	r.Enter()
	switch {
	case !c.in.MountNS:
		b.Add(plan.Op{
			Name: "make it the root directory",
			Why:  "the mount namespace is the host's, and so is its root",
		}, plan.Chroot, b.Str("."))
	case c.in.NoPivot:
		c.moveRoot()
	default:
		c.pivotRoot()
	}
	b.Add(plan.Op{Name: "go to /"}, plan.Chdir, b.Str("/"))
	if p := c.spec.Linux; c.in.MountNS && p != nil && p.RootfsPropagation != "" {
		b.In(plan.Filesystem, "linux.rootfsPropagation")
		b.Add(plan.Op{Name: "set the propagation of the root"},
			plan.Mount, plan.Int(0), b.Str("/"), plan.Int(0), plan.Int(propagationFlags(p.RootfsPropagation)),
			plan.Int(0))
	}
}

// Enter adds the step that changes to the new root, before it is "/".
func (r *Root) Enter() {
	r.c.b.In(plan.Filesystem, "root.path")
	r.c.b.Add(plan.Op{Name: "go to the new root"}, plan.Fchdir, plan.Of(r.c.root))
}

// pivotRoot stacks the old root on top of the new one, in the same place, and unmounts
// it: no directory for the old root is needed (pivot_root(2)).
func (c *compiler) pivotRoot() {
	b := c.b
	old := b.Cell("oldroot")
	b.Add(plan.Op{Name: "open the old root", Out: old},
		plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/"), plan.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC),
		plan.Int(0))
	b.Add(plan.Op{Name: "pivot_root", Why: "unlike chroot, it leaves no way back"},
		plan.PivotRoot, b.Str("."), b.Str("."))
	// By descriptor: "." is the new root now, with the old one on top of it.
	c.setAttrAt("make the old root a slave", old, attr{propagation: unix.MS_SLAVE}, unix.AT_RECURSIVE)
	b.Add(plan.Op{Name: "unmount the old root", Why: "a slave, so it stays mounted on the host"},
		plan.Umount, b.Str("."), plan.Int(unix.MNT_DETACH))
	c.close(old)
}

// moveRoot is for hosts whose root is a ramfs, which pivot_root refuses. The old root
// stays below the new one, so the host's proc and sysfs are unmounted first: a process
// that escapes would find files there that configure the host.
func (c *compiler) moveRoot() {
	b := c.b
	for _, m := range c.in.HostMounts {
		after := b.Label()
		b.Add(plan.Op{
			Name: "unmount the host's " + m,
			Why:  "the old root stays below the new one",
			Then: plan.Then{Next: after, On: []plan.On{{Errno: unix.EINVAL, To: 0}, {Errno: unix.EPERM, To: 0}}},
		}, plan.Umount, b.Str(m), plan.Int(unix.MNT_DETACH))
		b.Add(plan.Op{Name: "cover the host's " + m, Why: "a user namespace may not unmount it"},
			plan.Mount, b.Str("tmpfs"), b.Str(m), b.Str("tmpfs"), plan.Int(unix.MS_RDONLY), plan.Int(0))
		b.Place(after)
	}
	b.Add(plan.Op{Name: "move the new root to /", Why: "--no-pivot"},
		plan.Mount, b.Str("."), b.Str("/"), plan.Int(0), plan.Int(unix.MS_MOVE), plan.Int(0))
	b.Add(plan.Op{Name: "make it the root directory"}, plan.Chroot, b.Str("."))
}

// makeRootReadonly makes the root mount read-only, keeping its other attributes.
func (c *compiler) makeRootReadonly() {
	if c.spec.Root == nil || !c.spec.Root.Readonly {
		return
	}
	c.b.In(plan.Filesystem, "root.readonly")
	c.setAttr("make the root read-only", c.root, attr{set: unix.MOUNT_ATTR_RDONLY})
}

// createWorkingDirectory creates process.cwd if it is missing. If it cannot be opened, the
// attempt to enter it decides: another user may have permission.
func (c *compiler) createWorkingDirectory() {
	if c.spec.Process == nil {
		return
	}
	b := c.b
	b.In(plan.Filesystem, "process.cwd")
	there, missing := b.Label(), b.Label()
	cwd := place{path: cleanPath(c.spec.Process.Cwd), dir: true}
	if cwd.path == "/" {
		return
	}
	fd := b.Cell("cwd")
	c.openAt(cwd, fd, plan.Then{Next: there, On: []plan.On{
		{Errno: unix.ENOENT, To: missing}, {Errno: unix.ELOOP, To: there}, {Errno: unix.EACCES, To: there},
	}})
	b.Place(missing)
	parent := c.openDirectories(cwd.parent())
	c.createLast(cwd, parent)
	c.closeDirectory(parent)
	b.Place(there)
}
