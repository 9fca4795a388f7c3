package rootfs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/overlay"
	"github.com/minirun/minirun/internal/plan"
)

// createOverlay creates the overlay of read-only layers under a writable upper directory, as
// a detached mount: the host never sees it, and the kernel removes it together with
// the last process that uses it.
func (c *compiler) createOverlay() {
	c.overlay = c.b.Cell("root")
	c.b.In(plan.Filesystem, c.in.Layers[0].Source)
	if c.in.OldOverlay {
		c.mountLayers()
	} else {
		c.addLayers()
	}
}

// addLayers passes the layers one by one ("lowerdir+", Linux 6.8), so there can be
// hundreds.
func (c *compiler) addLayers() {
	b := c.b
	below, layers := overlay.Split(c.in.Layers)
	lowest := plan.None
	if len(below) > 0 {
		lowest = c.createLowestOverlay(below)
	}
	fs := b.Cell("overlay")
	b.Add(plan.Op{Name: "begin the overlay", Why: "read-only layers under a writable directory", Out: fs},
		plan.Fsopen, b.Str("overlay"), plan.Int(1))
	c.selectMarks(fs)
	c.addLayerPaths(fs, layers)
	b.In(plan.Filesystem, "root.path")
	if lowest != plan.None {
		b.Add(plan.Op{Name: "add the lowest layers"},
			plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_FD), b.Str("lowerdir+"), plan.Int(0),
			plan.Of(lowest))
	}
	c.fsString(fs, "upperdir", c.in.Upper, "writes go to "+c.in.Upper)
	c.fsString(fs, "workdir", c.in.Work, "set the work directory")
	if c.in.Volatile || !c.in.Stable {
		b.Add(plan.Op{Name: "do not sync", Why: "the upper directory is never mounted again"},
			plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_FLAG), b.Str("volatile"), plan.Int(0), plan.Int(0))
	}
	c.fsString(fs, "source", "overlay", "name it overlay")
	b.Add(plan.Op{Name: "create the overlay"},
		plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_CMD_CREATE), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "make its mount", Out: c.overlay},
		plan.Fsmount, plan.Of(fs), plan.Int(1), plan.Int(0))
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(fs))
	if lowest != plan.None { // not earlier: closing a detached mount unmounts it
		c.close(lowest)
	}
}

// createLowestOverlay creates a read-only, detached overlay of the lowest layers.
func (c *compiler) createLowestOverlay(layers []Layer) plan.Cell {
	b := c.b
	fs, mount := b.Cell("overlay"), b.Cell("lowest")
	b.Add(plan.Op{
		Name: "begin an overlay of the lowest layers",
		Why:  "one overlay takes at most " + strconv.Itoa(overlay.LayersPerMount),
		Out:  fs,
	}, plan.Fsopen, b.Str("overlay"), plan.Int(unix.FSOPEN_CLOEXEC))
	c.selectMarks(fs)
	c.addLayerPaths(fs, layers)
	b.In(plan.Filesystem, "root.path")
	c.fsString(fs, "source", "overlay", "name it overlay")
	b.Add(plan.Op{Name: "create the overlay"},
		plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_CMD_CREATE), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "make its mount", Out: mount},
		plan.Fsmount, plan.Of(fs), plan.Int(unix.FSMOUNT_CLOEXEC), plan.Int(0))
	c.close(fs)
	return mount
}

// addLayerPaths passes layers to an overlay, which expects the top one first.
func (c *compiler) addLayerPaths(fs plan.Cell, layers []Layer) {
	for _, layer := range slices.Backward(layers) {
		c.b.In(plan.Filesystem, layer.Source)
		c.fsString(fs, "lowerdir+", layer.Path, "add layer "+layer.Path)
	}
}

// selectMarks selects the extended attributes that mark deleted files.
func (c *compiler) selectMarks(fs plan.Cell) {
	if c.in.UserXattrs {
		c.b.Add(plan.Op{
			Name: "keep marks in user.overlay.*",
			Why:  "trusted.overlay.* is only for root of the machine",
		}, plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_FLAG), c.b.Str("userxattr"), plan.Int(0), plan.Int(0))
	}
}

func (c *compiler) fsString(fs plan.Cell, key, value, name string) {
	c.b.Add(plan.Op{Name: name},
		plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_STRING), c.b.Str(key), c.b.Str(value), plan.Int(0))
}

// mountLayers passes the layers as options of mount(2), which are limited to one page:
// before Linux 6.8 fsconfig takes 255 bytes for all of them. mount(2) attaches the new
// mount, so that is done where the host does not see it, and only a clone is kept.
func (c *compiler) mountLayers() {
	b := c.b
	host := b.Cell("namespace")
	if c.opensHostFilesFirst() {
		b.Add(plan.Op{Name: "open the host's mount namespace", Why: "to return to it", Out: host},
			plan.Openat, plan.Int(unix.AT_FDCWD), b.Str("/proc/thread-self/ns/mnt"),
			plan.Int(unix.O_RDONLY|unix.O_CLOEXEC), plan.Int(0))
		b.Add(plan.Op{Name: "leave it", Why: "the host must not see the overlay"},
			plan.Unshare, plan.Int(unix.CLONE_NEWNS))
		b.Add(plan.Op{Name: "make the mounts private"},
			plan.Mount, plan.Int(0), b.Str("/"), plan.Int(0), plan.Int(unix.MS_PRIVATE|unix.MS_REC), plan.Int(0))
	}
	dir, options := OverlayOptions(c.in)
	b.Add(plan.Op{Name: "go to the layers", Why: "short names: their options must fit into a page"},
		plan.Chdir, b.Str(dir))
	b.In(plan.Filesystem, "root.path")
	b.Add(plan.Op{Name: "mount the overlay", Why: "read-only layers under a writable directory"},
		plan.Mount, b.Str("overlay"), b.Str(c.in.Root), b.Str("overlay"), plan.Int(0), b.Str(options))
	b.Add(plan.Op{Name: "clone its mount", Out: c.overlay},
		plan.OpenTree, plan.Int(unix.AT_FDCWD), b.Str(c.in.Root), plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC))
	if c.opensHostFilesFirst() {
		b.Add(plan.Op{Name: "join the host's mount namespace again"},
			plan.Setns, plan.Of(host), plan.Int(unix.CLONE_NEWNS))
		b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(host))
	} else {
		b.Add(plan.Op{Name: "detach the first"},
			plan.Umount, b.Str(c.in.Root), plan.Int(unix.MNT_DETACH))
	}
	b.Add(plan.Op{Name: "go back to the root file system"}, plan.Chdir, b.Str(c.in.Root))
}

// MaxOverlayOptions is the maximum size of the options of mount(2) in bytes: a page
// including the zero byte at the end.
const MaxOverlayOptions = 4095

// OverlayOptions writes layers as options of mount(2), with names relative to a
// directory: the deepest one that contains all layers.
func OverlayOptions(in Input) (dir, options string) {
	paths := make([]string, len(in.Layers))
	for i, l := range in.Layers {
		paths[i] = l.Path
	}
	dir = overlay.CommonDir(paths)
	var names []string
	for _, l := range slices.Backward(in.Layers) {
		// With a name such as "a" for "/layers/a"; "/" itself has none.
		names = append(names, overlay.EscapeLayer(cmp.Or(strings.TrimPrefix(strings.TrimPrefix(l.Path, dir), "/"),
			".")))
	}
	options = "lowerdir=" + strings.Join(names, ":") + ",upperdir=" + overlay.EscapePath(in.Upper) + ",workdir=" +
		overlay.EscapePath(in.Work)
	if in.Volatile || !in.Stable {
		options += ",volatile"
	}
	if in.UserXattrs {
		options += ",userxattr"
	}
	return dir, options
}
