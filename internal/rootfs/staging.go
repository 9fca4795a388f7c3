package rootfs

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// The sources of bind mounts pass through a mount namespace of the host's user
// namespace before they reach a container with a user namespace:
//
//	host's          the source is cloned here, with the right to walk any path
//	intermediate    the clone is attached to an entry of a tmpfs
//	container's     a copy of the intermediate one, made in the user namespace; the
//	                entry is cloned again and moved to its target
//
// Only when the kernel copies a mount namespace into another user namespace does it
// lock the flags of mounts, and the mounts below them (mount_namespaces(7),
// "Restrictions on mount namespaces"). A clone that came from the host's namespace
// directly would have no locks: the container's root could make the host's read-only
// file systems writable, and unmount a mount that hides a directory.

// A mount namespace that is joined is not a copy. In that case a copy is made only for
// the sources, in the user namespace, and left again for the joined one: see Lock.

// stagesSources reports whether bind mounts take this way into a new mount namespace.
func (c *compiler) stagesSources() bool {
	return c.opensHostFilesFirst() && c.in.NewMountNS && len(c.sources) > 0
}

// stagesSourcesForJoin reports whether bind mounts take this way into a joined one.
func (c *compiler) stagesSourcesForJoin() bool {
	return c.opensHostFilesFirst() && c.in.MountNS && !c.in.NewMountNS && len(c.sources) > 0
}

// Lock is called just before a mount namespace is joined: it copies the intermediate
// one, and clones the sources again there.
func (r *Root) Lock() {
	c := r.c
	if !c.stagesSourcesForJoin() {
		return
	}
	c.b.In(plan.Filesystem, "")
	c.b.Add(plan.Op{
		Name: "copy the intermediate mount namespace",
		Why:  "the flags of the host's mounts get locked",
	}, plan.Unshare, plan.Int(unix.CLONE_NEWNS))
	c.openStage()
	for i := range c.spec.Mounts {
		if _, ok := c.sources[i]; ok {
			o, _ := spec.ParseMountOptions(c.spec.Mounts[i].Options)
			c.b.In(plan.Filesystem, mountSource(i)+".source")
			c.sources[i] = c.stagedSource(i, cloneFlags(o))
		}
	}
	c.close(c.stageDir)
}

// stageSources attaches the root and the sources of bind mounts to a tmpfs on the working
// directory, and makes that the working directory: a new mount namespace keeps it, but
// no descriptor. A joined mount namespace already contains the root.
func (c *compiler) stageSources() {
	b := c.b
	b.In(plan.Filesystem, "")
	b.Add(plan.Op{
		Name: "make an intermediate mount namespace",
		Why:  "the flags of the host's mounts get locked when it is copied",
	}, plan.Unshare, plan.Int(unix.CLONE_NEWNS))
	b.Add(plan.Op{Name: "make its mounts slaves", Why: "mounts made here must not appear on the host"},
		plan.Mount, plan.Int(0), b.Str("/"), plan.Int(0), plan.Int(unix.MS_SLAVE|unix.MS_REC), plan.Int(0))
	root := plan.None
	if len(c.in.Layers) == 0 && c.in.NewMountNS {
		root = b.Cell("root")
		c.cloneRoot(root, plan.Int(unix.AT_FDCWD), ".", 0)
	}
	tmpfs := c.detachedTmpfs("stage", [][2]string{{"source", "tmpfs"}, {"mode", "755"}},
		unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	b.Add(plan.Op{Name: "mount it on the root file system"},
		plan.MoveMount, plan.Of(tmpfs), b.Str(""), plan.Int(unix.AT_FDCWD), b.Str("."),
		plan.Int(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.Add(plan.Op{Name: "go to it", Why: "a new mount namespace keeps the working directory"},
		plan.Fchdir, plan.Of(tmpfs))
	if root != plan.None {
		b.Add(plan.Op{Name: "make directory root"},
			plan.Mkdirat, plan.Of(tmpfs), b.Str("root"), plan.Int(0o755))
		c.attachAt(root, tmpfs, "root", plan.Then{})
		c.close(root)
	}
	for i := range c.spec.Mounts {
		if source, ok := c.sources[i]; ok {
			b.In(plan.Filesystem, mountSource(i)+".source")
			c.stageSource(tmpfs, strconv.Itoa(i), source)
		}
	}
	c.close(tmpfs)
}

// stageSource attaches a source to a directory, or to a file if move_mount(2) reports
// that it is not a directory.
func (c *compiler) stageSource(tmpfs plan.Cell, name string, source plan.Cell) {
	b := c.b
	file, done := b.Label(), b.Label()
	b.Add(plan.Op{Name: "make directory " + name},
		plan.Mkdirat, plan.Of(tmpfs), b.Str(name), plan.Int(0o755))
	c.attachAt(source, tmpfs, name, plan.Then{Next: done, On: []plan.On{{Errno: unix.EINVAL, To: file},
		{Errno: unix.ENOTDIR, To: file}}})
	b.Place(file)
	b.Add(plan.Op{Name: "remove the directory", Why: "the source is not a directory"},
		plan.Unlinkat, plan.Of(tmpfs), b.Str(name), plan.Int(unix.AT_REMOVEDIR))
	b.Add(plan.Op{Name: "make file " + name},
		plan.Mknodat, plan.Of(tmpfs), b.Str(name), plan.Int(unix.S_IFREG|0o644), plan.Int(0))
	c.attachAt(source, tmpfs, name, plan.Then{})
	b.Place(done)
	c.close(source)
}

// attachAt moves a detached mount onto a name in a directory.
func (c *compiler) attachAt(mount, dir plan.Cell, name string, t plan.Then) {
	c.b.Add(plan.Op{Name: "attach the clone", Then: t},
		plan.MoveMount, plan.Of(mount), c.b.Str(""), plan.Of(dir), c.b.Str(name),
		plan.Int(unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// openStage opens the copy of the stage in the container's mount namespace.
func (c *compiler) openStage() {
	c.b.In(plan.Filesystem, "")
	c.stageDir = c.b.Cell("stage")
	c.b.Add(plan.Op{Name: "open the sources of the bind mounts", Out: c.stageDir},
		plan.Openat, plan.Int(unix.AT_FDCWD), c.b.Str("."), plan.Int(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC),
		plan.Int(0))
}

// stagedSource clones the source of mounts[i], now with locked flags.
func (c *compiler) stagedSource(i, flags int) plan.Cell {
	fd := c.b.Cell("source")
	c.b.Add(plan.Op{Name: "clone the source again", Why: "its flags are locked now", Out: fd},
		plan.OpenTree, plan.Of(c.stageDir), c.b.Str(strconv.Itoa(i)), plan.Int(flags|unix.AT_SYMLINK_NOFOLLOW))
	return fd
}
