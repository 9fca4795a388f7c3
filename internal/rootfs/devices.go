package rootfs

import (
	"os"
	"path"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// defaultDevices are the devices that every container has (config-linux.md, "Default
// Devices"), except /dev/console and /dev/ptmx, which come from the terminal and from
// devpts.
var defaultDevices = [...]specs.LinuxDevice{
	{Path: "/dev/null", Type: "c", Major: 1, Minor: 3},
	{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5},
	{Path: "/dev/full", Type: "c", Major: 1, Minor: 7},
	{Path: "/dev/random", Type: "c", Major: 1, Minor: 8},
	{Path: "/dev/urandom", Type: "c", Major: 1, Minor: 9},
	{Path: "/dev/tty", Type: "c", Major: 5, Minor: 0},
}

// devLinks are the symbolic links that every container has (runtime-linux.md, "Dev
// symbolic links").
var devLinks = [...][2]string{
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
}

// The devices are created in the file system mounted on /dev, which is accessed only
// through its descriptor from then on. A lookup by path could lead elsewhere: an image
// may have a link /dev -> /v, or /v -> /dev, and the user a volume on /v, in which
// files would be replaced by device nodes (the class of CVE-2026-41579).

// mountsDev reports whether config.json mounts something on /dev.
func (c *compiler) mountsDev() bool {
	for _, m := range c.spec.Mounts {
		o, _ := spec.ParseMountOptions(m.Options)
		if cleanPath(m.Destination) == "/dev" && o.Flags&unix.MS_REMOUNT == 0 {
			return true
		}
	}
	return false
}

// bindsDev reports whether config.json bind-mounts something on /dev. Then the source
// has the devices.
func (c *compiler) bindsDev() bool {
	for i, m := range c.spec.Mounts {
		if cleanPath(m.Destination) == "/dev" && c.isBind(i) {
			return true
		}
	}
	return false
}

// openDev opens the root file system's own /dev, before volumes can cover it.
func (c *compiler) openDev() {
	c.b.In(plan.Filesystem, "root.path")
	c.keepDev(c.open(place{path: "/dev", dir: true, nolinks: true}))
}

// keepDev records the descriptor of what is mounted on /dev.
func (c *compiler) keepDev(fd plan.Cell) {
	if c.dev != 0 {
		c.close(c.dev)
	}
	c.dev = fd
}

// inDev reports whether a path is at or below /dev.
func inDev(p string) bool { return p == "/dev" || strings.HasPrefix(p, "/dev/") }

// createDevices creates devices, links and the console.
func (c *compiler) createDevices() {
	dirs := map[string]plan.Cell{}
	asked := map[string]bool{}
	for i := range c.spec.Linux.Devices {
		asked[cleanPath(c.spec.Linux.Devices[i].Path)] = true
	}
	c.b.In(plan.Filesystem, "")
	for i := range defaultDevices {
		if !asked[defaultDevices[i].Path] {
			c.createDevice(dirs, &defaultDevices[i])
		}
	}
	for i := range c.spec.Linux.Devices {
		c.b.In(plan.Filesystem, indexPath("linux.devices", i))
		if d := &c.spec.Linux.Devices[i]; c.parentCreatesDevices() {
			c.mountCreatedDevice(d)
		} else {
			c.createDevice(dirs, d)
		}
	}
	c.b.In(plan.Filesystem, "")
	for _, link := range devLinks {
		c.b.Add(plan.Op{Name: "link " + link[1], Then: plan.Fine(unix.EEXIST)},
			plan.Symlinkat, c.b.Str(link[0]), plan.Of(c.dev), c.b.Str(path.Base(link[1])))
	}
	c.linkPtmx(c.dev)
	for _, dir := range sortedKeys(dirs) {
		c.close(dirs[dir])
	}
}

// openDeviceDirectory opens a directory for devices, once.
func (c *compiler) openDeviceDirectory(dirs map[string]plan.Cell, dir string) plan.Cell {
	if dir == "/dev" {
		return c.dev
	}
	fd, ok := dirs[dir]
	if !ok {
		fd = c.open(place{path: dir, dir: true, nolinks: true, inDev: inDev(dir)})
		dirs[dir] = fd
	}
	return fd
}

// linkPtmx makes /dev/ptmx a link to the container's own devpts, replacing a device node
// that an image may contain: it would open the host's terminals.
func (c *compiler) linkPtmx(dev plan.Cell) {
	c.b.Add(plan.Op{
		Name: "remove /dev/ptmx",
		Why:  "a device node from the image would lead to terminals outside the container",
		Then: plan.Fine(unix.ENOENT),
	}, plan.Unlinkat, plan.Of(dev), c.b.Str("ptmx"), plan.Int(0))
	c.b.Add(plan.Op{Name: "link /dev/ptmx", Then: plan.Fine(unix.EEXIST)},
		plan.Symlinkat, c.b.Str("pts/ptmx"), plan.Of(dev), c.b.Str("ptmx"))
}

// createDevice creates one device.
func (c *compiler) createDevice(dirs map[string]plan.Cell, d *specs.LinuxDevice) {
	p := cleanPath(d.Path)
	dir := c.openDeviceDirectory(dirs, path.Dir(p))
	if c.in.UserNS || c.in.Rootless || c.in.NoDevices {
		c.bindDevice(p)
		return
	}
	c.makeDevice(dir, p, d)
}

// modeAndNumber returns the arguments of mknod(2) for a device.
func modeAndNumber(d *specs.LinuxDevice) (mode uint32, number uint64) {
	kind := map[string]uint32{"c": unix.S_IFCHR, "u": unix.S_IFCHR, "b": unix.S_IFBLK, "p": unix.S_IFIFO}[d.Type]
	perm := os.FileMode(0o666)
	if d.FileMode != nil {
		perm = *d.FileMode
	}
	if d.Type != "p" {
		number = unix.Mkdev(uint32(d.Major), uint32(d.Minor))
	}
	return kind | uint32(perm)&0o7777, number
}

// parentCreatesDevices reports whether the parent creates the devices of config.json, which
// the process may not do in a user namespace. The parent must know the host IDs of
// their owners.
func (c *compiler) parentCreatesDevices() bool {
	l := c.spec.Linux
	return c.in.UserNS && !c.in.Rootless && !c.in.NoDevices && len(l.UIDMappings) > 0 && len(l.GIDMappings) > 0
}

// mountCreatedDevice mounts a device node that the parent created on an empty file: its
// number, mode and owner are those of config.json, whatever the host has at this path.
// The inode is used only by this container, so the mount need not be read-only.
func (c *compiler) mountCreatedDevice(d *specs.LinuxDevice) {
	p, l := cleanPath(d.Path), c.spec.Linux
	mode, number := modeAndNumber(d)
	node := c.b.File(plan.File{Open: plan.Device, Name: "the device " + p, Node: plan.Node{
		Mode: mode, Number: number, UID: hostID(l.UIDMappings, idOr0(d.UID)), GID: hostID(l.GIDMappings, idOr0(d.GID)),
	}})
	target := c.open(place{path: p, nolinks: true, inDev: inDev(p)})
	c.b.Add(plan.Op{Name: "mount the device on " + p, Why: "devices cannot be created in a user namespace"},
		plan.MoveMount, node, c.b.Str(""), plan.Of(target), c.b.Str(""),
		plan.Int(unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
	c.b.Add(plan.Op{Name: "close"}, plan.Close, node)
	c.close(target)
}

// hostID returns the host ID that an ID of the container is mapped to. An unmapped one
// becomes the host's root, which the container sees as nobody.
func hostID(maps []specs.LinuxIDMapping, id uint32) uint32 {
	for _, m := range maps {
		if id >= m.ContainerID && id-m.ContainerID < m.Size {
			return m.HostID + (id - m.ContainerID)
		}
	}
	return 0
}

func idOr0(id *uint32) uint32 {
	if id == nil {
		return 0
	}
	return *id
}

// makeDevice creates a device node. If the name is taken:
//
//	something is mounted there   it stays, as with runc: -v /dev/urandom:/dev/random
//	in what is mounted on /dev   the image's file is not trusted to be the device: a
//	                             new node is renamed over it
//	elsewhere                    it may be the user's file, in a volume: a new node is
//	                             mounted over it
func (c *compiler) makeDevice(dir plan.Cell, p string, d *specs.LinuxDevice) {
	done, taken := c.b.Label(), c.b.Label()
	c.makeNode("make device "+p, dir, path.Base(p), d, plan.Then{Next: done,
		On: []plan.On{{Errno: unix.EEXIST, To: taken}}})
	c.b.Place(taken)
	if dir == c.dev {
		c.replaceByDevice(dir, p, d, done)
	} else {
		c.coverByDevice(dir, p, d, done)
	}
	c.b.Place(done)
}

// makeNode creates a node with its owner.
func (c *compiler) makeNode(text string, dir plan.Cell, name string, d *specs.LinuxDevice, t plan.Then) {
	b := c.b
	mode, number := modeAndNumber(d)
	uid, gid := idOr0(d.UID), idOr0(d.GID)
	owner := plan.Then{Next: t.Next}
	if uid != 0 || gid != 0 {
		t.Next = 0
	}
	b.Add(plan.Op{Name: text, Then: t},
		plan.Mknodat, plan.Of(dir), b.Str(name), plan.Int(mode), plan.Int(number))
	if uid != 0 || gid != 0 {
		b.Add(plan.Op{Name: "set its owner", Then: owner},
			plan.Fchownat, plan.Of(dir), b.Str(name), plan.Int(uid), plan.Int(gid), plan.Int(unix.AT_SYMLINK_NOFOLLOW))
	}
}

// makeTemporary creates a node for p under another name in a directory.
func (c *compiler) makeTemporary(dir plan.Cell, p string, d *specs.LinuxDevice) (name plan.Arg) {
	temporary := ".minirun." + path.Base(p)
	name = c.b.Str(temporary)
	c.b.Add(plan.Op{Name: "remove the leftovers of an earlier attempt", Then: plan.Fine(unix.ENOENT)},
		plan.Unlinkat, plan.Of(dir), name, plan.Int(0))
	c.makeNode("make a new "+p, dir, temporary, d, plan.Then{})
	return name
}

func (c *compiler) replaceByDevice(dir plan.Cell, p string, d *specs.LinuxDevice, done plan.Label) {
	b := c.b
	mounted := b.Label()
	name := b.Str(path.Base(p))
	temporary := c.makeTemporary(dir, p, d)
	b.Add(plan.Op{
		Name: "put it in place",
		Why:  "the image may have put anything there",
		Then: plan.Then{Next: done, On: []plan.On{{Errno: unix.EBUSY, To: mounted}}},
	}, plan.Renameat2, plan.Of(dir), temporary, plan.Of(dir), name, plan.Int(0))
	b.Place(mounted)
	b.Add(plan.Op{
		Name: "remove the node",
		Why:  "config.json has mounted something there",
		Then: plan.Then{Next: done},
	}, plan.Unlinkat, plan.Of(dir), temporary, plan.Int(0))
}

func (c *compiler) coverByDevice(dir plan.Cell, p string, d *specs.LinuxDevice, done plan.Label) {
	b := c.b
	fd, node, directory := b.Cell("taken"), b.Cell("device"), b.Label()
	b.Add(plan.Op{
		Name: "open " + p,
		Why:  "without following a mount on it",
		Out:  fd,
		Then: plan.Then{On: []plan.On{{Errno: unix.EXDEV, To: done}}},
	}, plan.Openat2, plan.Of(dir), b.Str(path.Base(p)), c.openHow(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC,
		unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV), plan.Int(24))
	temporary := c.makeTemporary(c.dev, p, d)
	b.Add(plan.Op{Name: "clone its mount", Out: node},
		plan.OpenTree, plan.Of(c.dev), temporary,
		plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW))
	c.attachThen(node, fd, "mount the device on "+p,
		plan.Then{On: []plan.On{{Errno: unix.EINVAL, To: directory}, {Errno: unix.ENOTDIR, To: directory}}})
	b.Add(plan.Op{Name: "remove the name"}, plan.Unlinkat, plan.Of(c.dev), temporary, plan.Int(0))
	c.close(node)
	b.Add(plan.Op{Name: "close", Then: plan.Then{Next: done}}, plan.Close, plan.Of(fd))
	b.Place(directory)
	b.Add(plan.Op{Name: "remove the name", Why: "there is a directory"},
		plan.Unlinkat, plan.Of(c.dev), temporary, plan.Int(0))
	c.makeNode("make device "+p, dir, path.Base(p), d, plan.Then{}) // fails, with the reason
}

// bindDevice is for devices that neither the container nor minirun may create, or need
// to: the host's is mounted on an empty file, read-only, because a user namespace may
// map the device's owner.
func (c *compiler) bindDevice(p string) {
	source := c.b.Cell("device")
	c.b.Add(plan.Op{
		Name: "clone the mount of " + p,
		Why:  "devices cannot be created in a user namespace",
		Out:  source,
	}, plan.OpenTree, plan.Int(unix.AT_FDCWD), c.b.Str(p), plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	c.freeze(source, "make it read-only")
	target := c.open(place{path: p, nolinks: true, inDev: inDev(p)})
	c.attach(source, target, "bind "+p)
	c.close(source, target)
}
