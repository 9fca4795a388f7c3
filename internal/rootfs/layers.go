package rootfs

import (
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// layers makes the overlay of read-only layers under a writable upper
// directory, as a mount that is attached to nothing yet: the host never sees
// it, and the kernel drops it with the last process that does.
//
// Each layer is one fsconfig call ("lowerdir+", Linux 6.8), so there may be
// hundreds. Older kernels, which answer EINVAL, take all of them as one option
// of fsconfig's 255 bytes.
func (c *compiler) layers() {
	b := c.b
	fs := b.Cell("overlay")
	c.overlay = b.Cell("root")
	classic, create := b.Label(), b.Label()
	b.In(plan.Filesystem, c.in.Layers[0].Source)
	b.Get("begin the overlay", "read-only layers under a writable directory", plan.Then{}, fs, plan.Fsopen, b.Str("overlay"), plan.Int(1))
	for i := range c.in.Layers {
		layer := c.in.Layers[len(c.in.Layers)-1-i] // overlayfs wants the top one first
		b.In(plan.Filesystem, layer.Source)
		t := plan.Then{}
		if i == 0 {
			t.On = []plan.On{{Errno: unix.EINVAL, To: classic}}
		}
		if i == len(c.in.Layers)-1 {
			t.Next = create
		}
		c.fsString(t, fs, "lowerdir+", layer.Path, "add layer "+layer.Path)
	}
	b.In(plan.Filesystem, "root.path")
	b.Place(classic)
	c.fsString(plan.Then{}, fs, "lowerdir", joinLayers(c.in.Layers), "add the layers in one option")
	b.Place(create)
	c.fsString(plan.Then{}, fs, "upperdir", c.in.Upper, "writes go to "+c.in.Upper)
	c.fsString(plan.Then{}, fs, "workdir", c.in.Work, "set the work directory")
	if !c.in.Stable {
		// The upper directory goes away with the container, so nobody needs its
		// files on the disk. Kernels before 5.10 do not know the option.
		b.CallThen("do not sync", "the upper directory does not outlive the container", plan.Fine(unix.EINVAL), plan.Fsconfig,
			plan.Of(fs), plan.Int(unix.FSCONFIG_SET_FLAG), b.Str("volatile"), plan.Int(0), plan.Int(0))
	}
	c.fsString(plan.Then{}, fs, "source", "overlay", "name it overlay")
	b.Call("create the overlay", "", plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_CMD_CREATE), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Get("make its mount", "", plan.Then{}, c.overlay, plan.Fsmount, plan.Of(fs), plan.Int(1), plan.Int(0))
	b.Call("close", "", plan.Close, plan.Of(fs))
}

func (c *compiler) fsString(t plan.Then, fs plan.Cell, key, value, name string) {
	c.b.CallThen(name, "", t, plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_STRING), c.b.Str(key), c.b.Str(value), plan.Int(0))
}

// joinLayers writes the layers as overlay's lowerdir option: top first, with
// colons and backslashes escaped.
func joinLayers(layers []Layer) string {
	var out []byte
	for i := len(layers) - 1; i >= 0; i-- {
		for _, ch := range []byte(layers[i].Path) {
			if ch == ':' || ch == '\\' {
				out = append(out, '\\')
			}
			out = append(out, ch)
		}
		if i > 0 {
			out = append(out, ':')
		}
	}
	return string(out)
}
