package rootfs

import (
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// A newTmpfs is mounts[i], a tmpfs that is changed after its creation: it takes the
// mode or the content of the directory that it covers, or becomes read-only. mount(2)
// does not report where the new mount is, and a lookup by path could lead elsewhere,
// for example when another container exchanges directories of a shared volume. So it
// is created detached, and moved to its target by descriptor.
type newTmpfs struct {
	i        int
	options  spec.MountOptions
	values   [][2]string // for detachedTmpfs
	readonly bool        // at the end
	note     *modeNote
}

// mountTmpfs mounts t on a target, which is open as fd.
func (c *compiler) mountTmpfs(t newTmpfs, target place, fd plan.Cell) {
	top := c.detachedTmpfs("mount", t.values, attributesOf(t.options.Flags, 0).set)
	c.fill(top, fd, target.path, t.options, t.note)
	c.attach(top, fd, "mount tmpfs on "+target.path)
	c.setMountAttributes(top, target.path, t.options)
	c.closeOrDelay(t.i, top, target.path, t.readonly)
	c.close(fd)
}

// superblockFlags are the flags of mount(2) for which fsconfig(2) has keywords.
var superblockFlags = [...]struct {
	flag uintptr
	word string
}{
	{unix.MS_SYNCHRONOUS, "sync"}, {unix.MS_DIRSYNC, "dirsync"}, {unix.MS_LAZYTIME, "lazytime"},
	{unix.MS_MANDLOCK, "mand"},
}

// maxValue is the longest value that fsconfig(2) accepts.
const maxValue = 255

// tmpfsOptions returns the arguments of detachedTmpfs for m. ok is false if m is not a
// tmpfs, or has options that only mount(2) accepts.
func (c *compiler) tmpfsOptions(m *specs.Mount, o spec.MountOptions) (options [][2]string, ok bool) {
	options = [][2]string{{"source", sourceName(m)}}
	if label := c.mountLabel("tmpfs"); label != "" {
		options = append(options, [2]string{"context", label})
	}
	rest := o.Flags &^ (accessTimeFlags | unix.MS_REC)
	for _, pair := range flagAttributes {
		rest &^= pair.flag
	}
	for _, pair := range superblockFlags {
		if rest&pair.flag != 0 {
			options = append(options, [2]string{pair.word, ""})
			rest &^= pair.flag
		}
	}
	for _, word := range o.Data {
		name, value, given := strings.Cut(word, "=")
		if given && value == "" || strings.Contains(word, ",") || len(name) > maxValue {
			return nil, false
		}
		options = append(options, [2]string{name, value})
	}
	for _, option := range options {
		if len(option[1]) > maxValue {
			return nil, false
		}
	}
	return options, m.Type == "tmpfs" && rest == 0
}

// detachedTmpfs creates a detached tmpfs with options of the file system (an empty
// value means a flag) and attributes of the mount.
func (c *compiler) detachedTmpfs(name string, options [][2]string, attributes uint64) plan.Cell {
	b := c.b
	fs, mount := b.Cell("tmpfs"), b.Cell(name)
	b.Add(plan.Op{Name: "begin a tmpfs", Out: fs},
		plan.Fsopen, b.Str("tmpfs"), plan.Int(unix.FSOPEN_CLOEXEC))
	for _, o := range options {
		if o[1] == "" {
			b.Add(plan.Op{Name: "set the flag " + o[0]},
				plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_SET_FLAG), b.Str(o[0]), plan.Int(0), plan.Int(0))
			continue
		}
		name := "set its " + o[0]
		if o[0] == "source" {
			name = "name it " + o[1]
		}
		c.fsString(fs, o[0], o[1], name)
	}
	b.Add(plan.Op{Name: "create the tmpfs"},
		plan.Fsconfig, plan.Of(fs), plan.Int(unix.FSCONFIG_CMD_CREATE), plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "make its mount", Out: mount},
		plan.Fsmount, plan.Of(fs), plan.Int(unix.FSMOUNT_CLOEXEC), plan.Int(attributes))
	c.close(fs)
	return mount
}
