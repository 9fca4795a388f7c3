package process

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// openTerminal opens a terminal in the container's devpts, gives its slave to the process,
// and its master to the parent. A process of the container may have replaced ptmx with
// anything; a file that is not a terminal's master has no slave to open.
func (c *compiler) openTerminal() {
	b := c.b
	b.In(plan.Filesystem, "process.terminal")
	master, slave := b.Message(handshake.Console, "master"), b.Cell("slave")
	how := b.Words(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_MAGICLINKS)
	opened, other := b.Label(), b.Label()
	b.Add(plan.Op{
		Name: "open a terminal",
		Out:  master.A,
		Then: plan.Then{Next: opened, On: []plan.On{{Errno: unix.ENOENT, To: other}, {Errno: unix.EACCES, To: other}}},
	}, plan.Openat2, plan.Int(unix.AT_FDCWD), b.Str("/dev/pts/ptmx"), how, plan.Int(24))
	b.Place(other)
	b.Add(plan.Op{Name: "open a terminal", Why: "there is no devpts that the container may use", Out: master.A},
		plan.Openat2, plan.Int(unix.AT_FDCWD), b.Str("/dev/ptmx"), how, plan.Int(24))
	b.Place(opened)
	b.Add(plan.Op{Name: "unlock its slave"},
		plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSPTLCK), b.Words32(0, 0))
	b.Add(plan.Op{Name: "open its slave", Why: "by the master's descriptor, not by a path", Out: slave},
		plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCGPTPEER), plan.Int(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC))
	if size := c.p.ConsoleSize; size != nil {
		b.In(plan.Filesystem, "process.consoleSize")
		b.Add(plan.Op{Name: "set its size"},
			plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSWINSZ),
			b.Words32(uint32(size.Height)|uint32(size.Width)<<16, 0))
		b.In(plan.Filesystem, "process.terminal")
	}
	c.parent.Ask("the parent keeps the other end", master)
	for n := range 3 {
		b.Add(plan.Op{Name: "make it descriptor " + strconv.Itoa(n)},
			plan.Dup3, plan.Of(slave), plan.Int(n), plan.Int(0))
	}
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(slave))
	b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(master.A))
	if !c.in.ClonedLast {
		c.takeControllingTerminal()
	}
}

// takeControllingTerminal makes standard input, a terminal, the controlling terminal of
// the session.
func (c *compiler) takeControllingTerminal() {
	c.b.In(plan.Filesystem, "process.terminal")
	c.b.Add(plan.Op{Name: "make it the controlling terminal"},
		plan.Ioctl, plan.Int(0), plan.Int(unix.TIOCSCTTY), plan.Int(0))
}
