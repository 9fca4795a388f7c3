package rootfs

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// openConsole opens a terminal in the container's devpts, gives its slave to the process
// as /dev/console, and its master to the parent. Both ends come from the descriptor of
// ptmx, never from a path that an image could have replaced (CVE-2025-52565).
func (c *compiler) openConsole() {
	if c.spec.Process == nil || !c.spec.Process.Terminal {
		return
	}
	b := c.b
	b.In(plan.Filesystem, "process.terminal")
	master, slave := b.Message(handshake.Console, "master"), b.Cell("slave")
	c.openWith("open a terminal", place{path: "/dev/pts/ptmx", inDev: true}, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC,
		master.A, plan.Then{})
	b.Add(plan.Op{Name: "unlock its slave"},
		plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSPTLCK), b.Words32(0, 0))
	b.Add(plan.Op{Name: "open its slave", Why: "by the master's descriptor, not by a path", Out: slave},
		plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCGPTPEER), plan.Int(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC))
	if size := c.spec.Process.ConsoleSize; size != nil {
		b.In(plan.Filesystem, "process.consoleSize")
		b.Add(plan.Op{Name: "set its size"},
			plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSWINSZ),
			b.Words32(uint32(size.Height)|uint32(size.Width)<<16, 0))
		b.In(plan.Filesystem, "process.terminal")
	}
	source := b.Cell("console")
	b.Add(plan.Op{Name: "make file /dev/console", Why: "as the mount point", Then: plan.Fine(unix.EEXIST)},
		plan.Mknodat, plan.Of(c.dev), b.Str("console"), plan.Int(unix.S_IFREG|0o600), plan.Int(0))
	fd := b.Cell("target")
	b.Add(plan.Op{Name: "open /dev/console", Out: fd},
		plan.Openat, plan.Of(c.dev), b.Str("console"), plan.Int(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC),
		plan.Int(0))
	b.Add(plan.Op{Name: "clone the slave's mount", Out: source},
		plan.OpenTree, plan.Of(slave), b.Str(""),
		plan.Int(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH))
	c.attach(source, fd, "bind the terminal on /dev/console")
	c.parent.Ask("the parent keeps the other end", master)
	if !c.in.ClonedLast { // else the session begins later: see process.Arrive
		b.Add(plan.Op{Name: "make it the controlling terminal"},
			plan.Ioctl, plan.Of(slave), plan.Int(unix.TIOCSCTTY), plan.Int(0))
	}
	for n := range 3 {
		b.Add(plan.Op{Name: "make it descriptor " + string(rune('0'+n))},
			plan.Dup3, plan.Of(slave), plan.Int(n), plan.Int(0))
	}
	c.close(source, fd, slave, master.A)
}

// ReplacesNull reports whether the plan replaces standard descriptors that are the
// host's /dev/null with the container's own: only if minirun creates that one. A
// volume on /dev may have anything under this name, and in the host's mount namespace
// there is only the host's.
func ReplacesNull(s *specs.Spec, in Input) bool {
	c := compiler{spec: s, in: in}
	return (in.MountNS || in.OnHost) && !c.bindsDev()
}

// replaceNullDescriptors replaces standard descriptors that are the host's /dev/null with the
// container's: through the host's, the host's inode could be accessed and changed.
func (c *compiler) replaceNullDescriptors() {
	if c.in.NullStdio == [3]bool{} || !ReplacesNull(c.spec, c.in) {
		return
	}
	b := c.b
	b.In(plan.Filesystem, "")
	fd := b.Cell("null")
	c.openWith("open the container's /dev/null", place{path: "/dev/null", inDev: true},
		unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, fd, plan.Then{})
	for n, null := range c.in.NullStdio {
		if null {
			b.Add(plan.Op{Name: "make it descriptor " + string(rune('0'+n)), Why: "it was the host's /dev/null"},
				plan.Dup3, plan.Of(fd), plan.Int(n), plan.Int(0))
		}
	}
	c.close(fd)
}
