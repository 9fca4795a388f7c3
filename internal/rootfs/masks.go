package rootfs

import (
	"sort"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// maskPaths hides files under the host's /dev/null and directories under an empty
// read-only tmpfs, shared by all of them: Kubernetes masks directories of every
// processor, and each tmpfs is a file system that has to be created and removed again.
//
// The image's own /dev/null is not safe: it may be anything, and be replaced meanwhile
// (CVE-2025-31133). The host's is mounted read-only; otherwise the container's root
// could chmod it on the host through the mask.
func (c *compiler) maskPaths() {
	if c.spec.Linux == nil || len(c.spec.Linux.MaskedPaths) == 0 {
		return
	}
	c.b.In(plan.Filesystem, "linux.maskedPaths")
	null := c.b.Cell("null")
	c.b.Add(plan.Op{Name: "open the host's /dev/null", Why: "the image's may be anything", Out: null},
		plan.Openat, plan.Int(unix.AT_FDCWD), c.b.Str("/dev/null"),
		plan.Int(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC), plan.Int(0))
	empty := c.createEmptyDirectory()
	masked := make(map[string]bool, len(c.spec.Linux.MaskedPaths))
	for i, p := range c.spec.Linux.MaskedPaths {
		if p = cleanPath(p); !masked[p] {
			masked[p] = true
			c.b.In(plan.Filesystem, indexPath("linux.maskedPaths", i))
			c.maskPath(p, null, empty)
		}
	}
	c.close(null, empty)
}

// createEmptyDirectory creates the read-only tmpfs for masks: it has no room for files, in
// case it is made writable.
func (c *compiler) createEmptyDirectory() plan.Cell {
	options := [][2]string{{"source", "tmpfs"}, {"size", "4k"}, {"nr_inodes", "1"}}
	if label := c.mountLabel("tmpfs"); label != "" {
		options = append(options, [2]string{"context", label})
	}
	return c.detachedTmpfs("empty", append(options, [2]string{"ro", ""}), unix.MOUNT_ATTR_RDONLY)
}

// maskPath covers one path, which may be absent.
//
// Before Linux 6.15 a detached mount cannot be cloned: EINVAL. So the first directory
// gets the tmpfs itself, which can be cloned from then on.
func (c *compiler) maskPath(p string, null, empty plan.Cell) {
	b := c.b
	file, first, covered, done := b.Label(), b.Label(), b.Label(), b.Label()
	fd, cover := b.Cell("masked"), b.Cell("cover")
	absent := plan.On{Errno: unix.ENOENT, To: done}
	c.openAt(place{path: p, dir: true}, fd, plan.Then{On: []plan.On{absent, {Errno: unix.ENOTDIR, To: file}}})
	c.cloneMount("clone the empty tmpfs", empty, cover, plan.Then{On: []plan.On{{Errno: unix.EINVAL, To: first}}})
	c.attach(cover, fd, "cover "+p)
	b.Add(plan.Op{Name: "close", Then: plan.Then{Next: covered}}, plan.Close, plan.Of(cover))
	b.Place(first)
	c.attachThen(empty, fd, "cover "+p, plan.Then{Next: covered})
	b.Place(file)
	// ENOTDIR also if a component on the way is not a directory: then the path is
	// absent.
	c.openAt(place{path: p}, fd, plan.Then{On: []plan.On{absent, {Errno: unix.ENOTDIR, To: done}}})
	c.cloneMount("clone the mount of /dev/null", null, cover, plan.Then{})
	c.freeze(cover, "make it read-only")
	c.attach(cover, fd, "cover "+p)
	c.close(cover)
	b.Place(covered)
	c.close(fd)
	b.Place(done)
}

// cloneMount creates a detached copy of the mount that a descriptor is in.
func (c *compiler) cloneMount(name string, of, fd plan.Cell, t plan.Then) {
	c.b.Add(plan.Op{Name: name, Out: fd, Then: t},
		plan.OpenTree, plan.Of(of), c.b.Str(""),
		plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH))
}

// freeze makes a detached mount of an inode of the host read-only and private: its
// mode, owner, times and extended attributes cannot be changed through it, and mounts
// that the host puts on it do not appear. A device can still be read and written,
// since a read-only mount does not affect access to the device itself (mount(8)).
//
// Every mount is changed separately. A clone of a mount that is already read-only
// would save the call, but Linux before 6.15 does not clone detached mounts.
func (c *compiler) freeze(mount plan.Cell, name string) {
	if c.frozen == (plan.Arg{}) {
		c.frozen = c.b.Words(unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC, 0, unix.MS_PRIVATE,
			0)
	}
	c.b.Add(plan.Op{Name: name, Why: "the inode is the host's: its mode and owner must not change"},
		plan.MountSetattr, plan.Of(mount), c.b.Str(""), plan.Int(unix.AT_EMPTY_PATH), c.frozen, plan.Int(32))
}

// makePathsReadonly binds each path onto itself, read-only. The root cannot be covered by
// itself, so its mount becomes read-only, as with root.readonly.
func (c *compiler) makePathsReadonly() {
	if c.spec.Linux == nil {
		return
	}
	b := c.b
	for i, p := range c.spec.Linux.ReadonlyPaths {
		b.In(plan.Filesystem, indexPath("linux.readonlyPaths", i))
		if p = cleanPath(p); p == "/" {
			c.setAttr("make the root read-only", c.root, attr{set: unix.MOUNT_ATTR_RDONLY})
			continue
		}
		done := b.Label()
		fd, source := b.Cell("path"), b.Cell("readonly")
		c.openAt(place{path: p}, fd, plan.Then{On: []plan.On{{Errno: unix.ENOENT, To: done},
			{Errno: unix.ENOTDIR, To: done}}})
		b.Add(plan.Op{Name: "clone the mounts of " + p, Out: source},
			plan.OpenTree, plan.Of(fd), b.Str(""),
			plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE))
		c.setAttr("make "+p+" read-only", source, attr{set: unix.MOUNT_ATTR_RDONLY})
		c.attach(source, fd, "put it over "+p)
		c.close(source, fd)
		b.Place(done)
	}
}

func indexPath(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }

func sortedKeys(m map[string]plan.Cell) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
