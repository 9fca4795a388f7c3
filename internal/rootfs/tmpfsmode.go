package rootfs

// This file gives a new tmpfs the mode and the content of the directory that it covers.

import (
	"encoding/binary"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// A modeNote is the buffer for the mode of a tmpfs: from fstat of the directory that
// it covers, or from the parent's answer. The two overlap.
type modeNote struct {
	stat   plan.Arg // struct stat
	answer plan.Arg
	mode   plan.Cell
}

// reserveMode reserves space for the mode of a place. For a directory that is created
// now, it is a tmpfs's default.
func (c *compiler) reserveMode(p place) *modeNote {
	size := statSize
	if p.asks {
		size = statMode() + answerSize
	}
	room := make([]byte, size)
	binary.LittleEndian.PutUint32(room[statMode():], DefaultTmpfsMode)
	n := &modeNote{stat: c.b.Bytes(room)}
	n.mode = c.b.CellIn(n.stat, statMode(), "mode")
	n.answer = c.b.At(n.mode)
	return n
}

// DefaultTmpfsMode is the mode of a tmpfs for which none was given (tmpfs(5)).
const DefaultTmpfsMode = 0o1777

// statSize is the size of struct stat on amd64; other architectures need less.
const statSize = 144

// statMode returns the offset of st_mode in struct stat, a multiple of eight so that it
// can be the argument of a later step: the kernel takes its lower 16 bits.
func statMode() int {
	if runtime.GOARCH == "amd64" {
		return 24
	}
	return 16
}

// openWithMode opens a mount point. With note it also records the mode of the directory
// that was there, or a tmpfs's default if it is created now.
func (c *compiler) openWithMode(p place, note bool) (plan.Cell, *modeNote) {
	if !note {
		return c.open(p), nil
	}
	n := c.reserveMode(p)
	fd, done := c.b.Cell("target"), c.b.Label()
	c.openInto(p, fd, done, n)
	c.b.Place(done)
	return fd, n
}

// fill gives a new tmpfs the properties of the directory that it covers: the content
// (tmpcopyup), and the mode.
func (c *compiler) fill(top, covered plan.Cell, where string, o spec.MountOptions, n *modeNote) {
	if o.TmpCopyUp {
		c.copyUp(covered, top)
	}
	if n == nil {
		return
	}
	fd := c.b.Cell("tmpfs")
	c.b.Add(plan.Op{Name: "open the tmpfs on " + where, Out: fd},
		plan.Openat2, plan.Of(top), c.b.Str("."), c.openHow(unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC,
			unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS), plan.Int(24))
	c.b.Add(plan.Op{Name: "set the mode of " + where, Why: "that of the directory it covers"},
		plan.Fchmod, plan.Of(fd), plan.Of(n.mode))
	c.close(fd)
}

func hasMode(data []string) bool {
	for _, d := range data {
		if strings.HasPrefix(d, "mode=") {
			return true
		}
	}
	return false
}
