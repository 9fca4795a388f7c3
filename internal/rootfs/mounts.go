package rootfs

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// mountEntry adds the steps of mounts[i].
func (c *compiler) mountEntry(i int) {
	m := &c.spec.Mounts[i]
	c.b.In(plan.Filesystem, mountSource(i))
	// The spec has been validated, so the options parse.
	o, _ := spec.ParseMountOptions(m.Options)
	switch {
	case c.copiesLink(i):
		c.copyLink(i)
	case c.isBind(i):
		c.bindMount(i, m, o)
	case m.Type == "cgroup" || m.Type == "cgroup2":
		c.cgroupMount(i, m, o)
	default:
		c.mountFilesystem(i, m, o)
	}
	c.recordMount(i, m, o)
}

// mountFilesystem mounts a new file system: fchdir to the target, then mount on ".", so
// that the path is not resolved a second time.
func (c *compiler) mountFilesystem(i int, m *specs.Mount, o spec.MountOptions) {
	b := c.b
	link := linkFollowed
	if m.Type == "proc" || m.Type == "sysfs" || cleanPath(m.Destination) == "/dev" {
		link = linkRefused
	}
	target := c.mountTarget(i, true, link)
	if o.Flags&unix.MS_REMOUNT != 0 {
		c.remount(m, o, target)
		return
	}
	isDev, tmpfs := target.path == "/dev", m.Type == "tmpfs"
	o.TmpCopyUp = o.TmpCopyUp && tmpfs
	readonly := c.delayReadonly(m, &o)
	fd, note := c.openWithMode(target, tmpfs && !hasMode(o.Data))
	changed := readonly || note != nil || o.TmpCopyUp || len(o.Propagation) > 0 || o.RecSet|o.RecClr != 0
	if options, ok := c.tmpfsOptions(m, o); ok && changed && !isDev {
		c.mountTmpfs(newTmpfs{i, o, options, readonly, note}, target, fd)
		return
	}
	if m.Type == "proc" && c.in.ClonedLast {
		// Through the host's /proc, which is the visible one until pivot_root.
		o.Data = append(slices.Clone(o.Data), "pidns=/proc/self/ns/pid_for_children")
	}
	b.Add(plan.Op{Name: "go to " + target.path}, plan.Fchdir, plan.Of(fd))
	b.Add(plan.Op{Name: "mount " + m.Type + " on " + target.path},
		plan.Mount, b.Str(sourceName(m)), b.Str("."), b.Str(m.Type), plan.Int(o.Flags), c.mountData(m.Type, o.Data))
	if isDev || changed {
		top := c.reopen(target, note)
		c.fill(top, fd, target.path, o, note)
		c.setMountAttributes(top, target.path, o)
		switch {
		case isDev && readonly:
			c.keepDev(c.reopen(target, note))
			c.closeOrDelay(i, top, target.path, true)
		case isDev:
			c.keepDev(top)
		default:
			c.closeOrDelay(i, top, target.path, readonly)
		}
	}
	c.close(fd)
}

// sourceName returns the first argument of mount(2), which mountinfo shows.
func sourceName(m *specs.Mount) string {
	if m.Source == "" {
		return m.Type
	}
	return m.Source
}

// mountData returns the last argument of mount(2): the options specific to the file system.
func (c *compiler) mountData(fstype string, options []string) plan.Arg {
	if label := c.mountLabel(fstype); label != "" {
		options = append(slices.Clone(options), `context="`+label+`"`)
	}
	if len(options) == 0 {
		return plan.Int(0)
	}
	return c.b.Str(strings.Join(options, ","))
}

// mountLabel returns the SELinux label of files in a new file system, "" for none. In the kernel's own
// file systems each file has a label of the policy, or the file system exists already, with the host's
// labels: mount returns EINVAL for a label there.
func (c *compiler) mountLabel(fstype string) string {
	if !c.in.SELinux || c.spec.Linux == nil {
		return ""
	}
	switch fstype {
	case "proc", "sysfs", "mqueue", "cgroup", "cgroup2":
		return ""
	}
	return c.spec.Linux.MountLabel
}

// reopen opens the topmost mount on a place. If the place is reached through links, it
// is opened at the path that the parent answered, as when the place was opened: the
// links are not followed again.
func (c *compiler) reopen(p place, n *modeNote) plan.Cell {
	b := c.b
	fd, links, done := b.Cell("mount"), b.Label(), b.Label()
	if !p.asks {
		c.openAt(p, fd, plan.Then{})
		return fd
	}
	c.openAt(p, fd, plan.Then{Next: done, On: []plan.On{{Errno: unix.ELOOP, To: links}}})
	b.Place(links)
	unread := plan.Then{Next: done}
	if c.followsUnread() {
		unread.On = []plan.On{{Errno: unix.ENAMETOOLONG}}
	}
	c.openPath("open "+p.path, p, b.At(b.CellIn(c.answerBuffer(n), answerPath, "path")), fd, unread)
	if c.followsUnread() {
		c.openAt(p.existing(), fd, plan.Then{})
	}
	b.Place(done)
	return fd
}

// copyUp makes the parent fill a tmpfs with the content that it covers: copying a tree
// is not a list of system calls known beforehand.
func (c *compiler) copyUp(from, to plan.Cell) {
	m := c.b.Message(handshake.CopyUp, "below", "tmpfs")
	c.b.Add(plan.Op{Name: "name the directory below", Out: m.A},
		plan.Fcntl, plan.Of(from), plan.Int(unix.F_DUPFD_CLOEXEC), plan.Int(0))
	c.b.Add(plan.Op{Name: "name the tmpfs", Out: m.B},
		plan.Fcntl, plan.Of(to), plan.Int(unix.F_DUPFD_CLOEXEC), plan.Int(0))
	c.parent.Ask("the tmpfs begins with the content of the directory (tmpcopyup)", m)
	c.close(m.A, m.B)
}

// setMountAttributes adds what mount(2) cannot do in one call: propagation, and options for
// all mounts of a tree.
func (c *compiler) setMountAttributes(fd plan.Cell, where string, o spec.MountOptions) {
	for _, p := range o.Propagation {
		flags := 0
		if p&unix.MS_REC != 0 {
			flags = unix.AT_RECURSIVE
		}
		c.setAttrAt("set the propagation of "+where, fd, attr{propagation: uint64(p &^ unix.MS_REC)}, flags)
	}
	if o.RecSet|o.RecClr != 0 {
		c.setAttrAt("set attributes of all mounts of "+where, fd, attr{set: o.RecSet, clr: o.RecClr}, unix.AT_RECURSIVE)
	}
}

// remount changes the options of an existing mount.
func (c *compiler) remount(m *specs.Mount, o spec.MountOptions, target place) {
	readonly := c.delayReadonly(m, &o)
	fd := c.b.Cell("target")
	c.openAt(target.existing(), fd, plan.Then{})
	c.b.Add(plan.Op{Name: "go to " + target.path}, plan.Fchdir, plan.Of(fd))
	c.b.Add(plan.Op{Name: "remount " + target.path},
		plan.Mount, plan.Int(0), c.b.Str("."), plan.Int(0), plan.Int(o.Flags), c.mountData(m.Type, o.Data))
	c.setMountAttributes(fd, target.path, o)
	c.closeOrDelay(target.mount, fd, target.path, readonly)
}

func propagationFlags(word string) uintptr {
	flags, _ := spec.Propagation(word)
	return flags
}
