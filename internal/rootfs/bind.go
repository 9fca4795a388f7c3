package rootfs

import (
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// isBind reports whether mounts[i] is a bind mount: by its options, or by the
// type "bind" that Docker writes.
func (c *compiler) isBind(i int) bool { return IsBind(&c.spec.Mounts[i]) }

// IsBind reports whether m is a bind mount.
func IsBind(m *specs.Mount) bool {
	o, err := spec.ParseMountOptions(m.Options)
	return err == nil && o.Flags&unix.MS_REMOUNT == 0 && (o.Flags&unix.MS_BIND != 0 || m.Type == "bind")
}

// BindSource returns the host path of a bind mount's source.
func BindSource(bundle string, m *specs.Mount) string {
	if filepath.IsAbs(m.Source) {
		return m.Source
	}
	return filepath.Join(bundle, m.Source)
}

// bindMount clones the source's mounts, changes them while they are invisible, and moves
// the result onto the target: three calls that use only descriptors.
func (c *compiler) bindMount(i int, m *specs.Mount, o spec.MountOptions) {
	b := c.b
	where := cleanPath(m.Destination)
	source, early := c.sources[i]
	switch {
	case early && c.stagesSources():
		source = c.stagedSource(i, cloneFlags(o))
	case !early:
		source = c.cloneSource(i)
	}
	b.In(plan.Filesystem, mountSource(i))
	c.bindAttributes(source, "set attributes of "+where, o)
	fd := c.bindTarget(i, source, o)
	c.attach(source, fd, "bind "+m.Source+" on "+where)
	c.setMountAttributes(source, where, o)
	c.close(fd)
	if where == "/dev" {
		c.keepDev(source)
		return
	}
	c.close(source)
}

// bindTarget opens the target of a bind mount, of the same kind as its source.
func (c *compiler) bindTarget(i int, source plan.Cell, o spec.MountOptions) plan.Cell {
	link := linkFollowed
	switch {
	case cleanPath(c.spec.Mounts[i].Destination) == "/dev":
		link = linkRefused
	case o.DestNoFollow:
		link = linkKept
	}
	kind := c.in.SourceKind(i)
	if kind != Undecided {
		return c.open(c.mountTarget(i, kind == Directory, link))
	}
	fd, file, done := c.b.Cell("target"), c.b.Label(), c.b.Label()
	c.b.Add(plan.Op{
		Name: "check whether it is a directory",
		Why:  "the target must be of the same kind",
		Then: plan.Then{On: []plan.On{{Errno: unix.ENOTDIR, To: file}, {Errno: unix.EACCES}}},
	}, plan.Fchdir, plan.Of(source))
	c.openInto(c.mountTarget(i, true, link), fd, done, nil)
	c.b.Place(file)
	c.openInto(c.mountTarget(i, false, link), fd, done, nil)
	c.b.Place(done)
	return fd
}

// copiesLink reports whether mounts[i] is a symbolic link that is created instead of
// being mounted.
func (c *compiler) copiesLink(i int) bool {
	_, ok := c.in.Links[i]
	return ok
}

// copyLink creates a symbolic link like the source (copy-symlink).
func (c *compiler) copyLink(i int) {
	text := c.b.Str(c.in.Links[i])
	fd, done := c.b.Cell("target"), c.b.Label()
	p := place{path: cleanPath(c.spec.Mounts[i].Destination), link: linkKept, mount: i}
	c.askTarget(TargetQuestion{Mount: i, Copied: true, link: linkKept}, p,
		targetSteps{fd, done, nil, func(name plan.Arg) {
			c.b.Add(plan.Op{
				Name: "create the link " + p.path,
				Why:  "a copy of the source",
				Then: plan.Fine(unix.EEXIST, unix.ENOENT),
			}, plan.Symlinkat, text, plan.Of(fd), name)
		}})
	c.b.Place(done)
	c.close(fd)
}

// attach moves a detached mount onto an open place.
func (c *compiler) attach(mount, target plan.Cell, name string) {
	c.attachThen(mount, target, name, plan.Then{})
}

func (c *compiler) attachThen(mount, target plan.Cell, name string, t plan.Then) {
	c.b.Add(plan.Op{Name: name, Then: t},
		plan.MoveMount, plan.Of(mount), c.b.Str(""), plan.Of(target), c.b.Str(""),
		plan.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}

// cloneSource creates a detached copy of the source's mounts, id-mapped if requested.
func (c *compiler) cloneSource(i int) plan.Cell {
	b := c.b
	m := &c.spec.Mounts[i]
	o, _ := spec.ParseMountOptions(m.Options)
	b.In(plan.Filesystem, mountSource(i)+".source")
	fd := b.Cell("source")
	flags := cloneFlags(o)
	if o.SourceNoFollow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	b.Add(plan.Op{Name: "clone the mount of " + m.Source, Out: fd},
		plan.OpenTree, plan.Int(unix.AT_FDCWD), b.Str(BindSource(c.in.Bundle, m)), plan.Int(flags))
	if c.opensHostFilesFirst() && c.in.SourceKind(i) != Undecided || c.in.OnHost {
		// If it is cloned where the mounts are not slaves, before there is a mount
		// namespace or because there is none, it is a peer of the host's: mounts below
		// it would appear on the host.
		c.setAttrAt("make it a slave", fd, attr{propagation: unix.MS_SLAVE}, flags&unix.AT_RECURSIVE)
	}
	if o.IDMap || len(m.UIDMappings) > 0 {
		c.mapIDs(i, m, o, fd)
	}
	return fd
}

// cloneFlags returns the flags of open_tree(2) for a bind or rbind mount.
func cloneFlags(o spec.MountOptions) int {
	flags := unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC
	if o.Flags&unix.MS_REC != 0 {
		flags |= unix.AT_RECURSIVE
	}
	return flags
}

// mapIDs shows the files of a mount with other owners. The kernel takes a mapping from
// a user namespace: one that the parent creates for it, or the one that the container
// joins, if the mount has no mapping itself.
func (c *compiler) mapIDs(i int, m *specs.Mount, o spec.MountOptions, fd plan.Cell) {
	flags := 0
	if o.RIDMap {
		flags = unix.AT_RECURSIVE
	}
	c.setAttrAt("map the owners of "+m.Source, fd, attr{set: unix.MOUNT_ATTR_IDMAP, userns: c.openIDMap(i, m).Value},
		flags)
}

// openIDMap returns the descriptor of a user namespace with the mapping of mounts[i].
func (c *compiler) openIDMap(i int, m *specs.Mount) plan.Arg {
	name := "the id map of " + m.Destination
	if len(m.UIDMappings) > 0 {
		c.b.In(plan.Filesystem, mountSource(i)+".uidMappings")
		return c.b.File(plan.File{Open: plan.MapIDs, Maps: mapLines(m.UIDMappings, m.GIDMappings), Name: name})
	}
	linux := c.spec.Linux
	if ns := namespaces.Decide(c.spec).Join(unix.CLONE_NEWUSER); ns != nil {
		c.b.In(plan.Filesystem, ns.Source)
		return c.b.File(plan.File{Open: plan.OpenRead, Path: ns.Path, Name: name})
	}
	c.b.In(plan.Filesystem, "linux.uidMappings")
	return c.b.File(plan.File{Open: plan.MapIDs, Maps: mapLines(linux.UIDMappings, linux.GIDMappings), Name: name})
}

func mapLines(uids, gids []specs.LinuxIDMapping) [2][]string {
	return [2][]string{namespaces.Lines(uids), namespaces.Lines(gids)}
}
