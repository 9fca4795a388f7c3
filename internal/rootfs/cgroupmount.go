package rootfs

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// cgroupMount shows the container its cgroups.
//
//	v2, cgroup namespace     the cgroup2 file system, whose root is the namespace's
//	v2, without              a bind of the container's own cgroup
//	v1, cgroup namespace     a tmpfs with one cgroup mount for each hierarchy
//	v1, without              a tmpfs with one bind for each hierarchy
//
// Without a namespace a fresh mount would show the host's whole tree.
func (c *compiler) cgroupMount(i int, m *specs.Mount, o spec.MountOptions) {
	target := c.mountTarget(i, true, linkFollowed)
	switch {
	case c.in.CgroupV1 && m.Type == "cgroup2":
		c.cgroup2(target, m, c.in.Cgroup2, o)
		return
	case len(c.in.Cgroup) == 1 && c.in.Cgroup[0].Name == "":
		c.cgroup2(target, m, c.in.Cgroup[0].Dir, o)
		return
	}
	b := c.b
	fd := c.open(target)
	b.Add(plan.Op{Name: "go to " + target.path}, plan.Fchdir, plan.Of(fd))
	b.Add(plan.Op{Name: "mount tmpfs on " + target.path, Why: "it holds a directory for each hierarchy"},
		plan.Mount, b.Str("tmpfs"), b.Str("."), b.Str("tmpfs"), plan.Int(unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC),
		c.mountData("tmpfs", []string{"mode=755"}))
	c.close(fd)
	top := c.reopen(target, nil)
	for _, g := range c.in.Cgroup {
		c.cgroup1(target, top, g, o)
	}
	c.setMountAttributes(top, target.path, o)
	c.closeOrDelay(i, top, target.path, o.Flags&unix.MS_RDONLY != 0)
}

// cgroup2 mounts the single hierarchy of cgroup v2. dir is the part that a container
// without a cgroup namespace sees; "" if the host has not mounted it.
func (c *compiler) cgroup2(target place, m *specs.Mount, dir string, o spec.MountOptions) {
	b := c.b
	fd := c.open(target)
	bind, done := b.Label(), b.Label()
	if c.in.CgroupNS || c.in.CgroupV1 {
		b.Add(plan.Op{Name: "go to " + target.path}, plan.Fchdir, plan.Of(fd))
		// A user namespace may mount cgroup2 only with its own cgroup namespace; where
		// even that is refused, binding the host's shows the same.
		b.Add(plan.Op{
			Name: "mount cgroup2 on " + target.path,
			Then: plan.Then{Next: done, On: []plan.On{{Errno: unix.EPERM, To: bind}, {Errno: unix.EBUSY, To: bind}}},
		}, plan.Mount, b.Str(sourceName(m)), b.Str("."), b.Str("cgroup2"), plan.Int(o.Flags),
			c.mountData("cgroup2", o.Data))
	}
	b.Place(bind)
	if dir != "" {
		c.bindCgroup(fd, dir, target.path, o)
	}
	b.Place(done)
	c.close(fd)
	if len(o.Propagation) > 0 || o.RecSet|o.RecClr != 0 {
		top := c.reopen(target, nil)
		c.setMountAttributes(top, target.path, o)
		c.close(top)
	}
}

func (c *compiler) bindCgroup(target plan.Cell, dir, where string, o spec.MountOptions) {
	source := c.b.Cell("cgroup")
	c.b.Add(plan.Op{Name: "clone the mount of " + dir, Out: source},
		plan.OpenTree, plan.Int(unix.AT_FDCWD), c.b.Str(dir), plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	c.setAttr("set attributes of "+where, source, attributesOf(o.Flags, 0))
	c.attach(source, target, "bind "+dir+" on "+where)
	c.close(source)
}

// cgroup1 adds one hierarchy of cgroup v1 to the tmpfs.
func (c *compiler) cgroup1(target place, top plan.Cell, g Cgroup, o spec.MountOptions) {
	b := c.b
	where := target.path + "/" + g.Name
	b.Add(plan.Op{Name: "make directory " + where},
		plan.Mkdirat, plan.Of(top), b.Str(g.Name), plan.Int(0o755))
	fd := b.Cell("hierarchy")
	b.Add(plan.Op{Name: "open " + where, Out: fd},
		plan.Openat2, plan.Of(top), b.Str(g.Name), c.openHow(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC,
			unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS), plan.Int(24))
	if c.in.CgroupNS {
		b.Add(plan.Op{Name: "go to " + where}, plan.Fchdir, plan.Of(fd))
		b.Add(plan.Op{Name: "mount cgroup on " + where, Why: "its root is the cgroup namespace's"},
			plan.Mount, b.Str("cgroup"), b.Str("."), b.Str("cgroup"), plan.Int(o.Flags),
			b.Str(strings.Join(append([]string{g.Controller}, o.Data...), ",")))
	} else {
		c.bindCgroup(fd, g.Dir, where, o)
	}
	for _, alias := range g.Aliases {
		b.Add(plan.Op{Name: "link " + alias + " to " + g.Name},
			plan.Symlinkat, b.Str(g.Name), plan.Of(top), b.Str(alias))
	}
	c.close(fd)
}
