package process

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// A process of `exec` comes into a container that runs already, so whatever it
// finds there may be its enemy's: /proc, /dev, the other processes. What the
// host has to say is said before (Outside), and nothing inside is believed
// (Inside).

// Outside adds the steps of `exec` before the process joins the container's
// namespaces. What they set outlives the fork that enters a PID namespace.
func (r *Process) Outside() {
	c := r.c
	c.name()
	if adj := c.p.OOMScoreAdj; adj != nil {
		c.b.In(plan.Limits, "process.oomScoreAdj")
		namespaces.WriteFile(c.b, "set oom_score_adj to "+strconv.Itoa(*adj), "/proc/self/oom_score_adj", strconv.Itoa(*adj))
	}
	c.labels()
}

// Inside adds the steps that come when the process is in the container's
// namespaces and cgroups.
func (r *Process) Inside() {
	c := r.c
	if a := c.p.ExecCPUAffinity; a != nil && a.Final != "" {
		mask := bitMask(a.Final)
		c.b.In(plan.Limits, "process.execCPUAffinity.final")
		c.b.Call("run on CPUs "+a.Final, "", plan.SchedSetaffinity, plan.Int(0), plan.Int(8*len(mask)), c.b.Words(mask...))
	}
	c.session()
	if c.p.Terminal {
		c.terminal()
	}
}

// terminal makes a terminal in the container's devpts, gives its slave to the
// process, and its master to the parent. A process of the container may have
// put anything in the place of ptmx; what is no terminal's master has no slave
// to open.
func (c *compiler) terminal() {
	b := c.b
	b.In(plan.Filesystem, "process.terminal")
	master, slave := b.Message(handshake.Console, "master"), b.Cell("slave")
	how := b.Words(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_MAGICLINKS)
	opened, other := b.Label(), b.Label()
	b.Get("open a terminal", "", plan.Then{Next: opened, On: []plan.On{{Errno: unix.ENOENT, To: other}, {Errno: unix.EACCES, To: other}}},
		master.A, plan.Openat2, plan.Int(unix.AT_FDCWD), b.Str("/dev/pts/ptmx"), how, plan.Int(24))
	b.Place(other)
	b.Get("open a terminal", "there is no devpts that the container may use", plan.Then{},
		master.A, plan.Openat2, plan.Int(unix.AT_FDCWD), b.Str("/dev/ptmx"), how, plan.Int(24))
	b.Place(opened)
	b.Call("unlock its slave", "", plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSPTLCK), b.Words32(0, 0))
	b.Get("open its slave", "by the master's descriptor, not by a path", plan.Then{}, slave, plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCGPTPEER),
		plan.Int(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC))
	if size := c.p.ConsoleSize; size != nil {
		b.In(plan.Filesystem, "process.consoleSize")
		b.Call("set its size", "", plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSWINSZ), b.Words32(uint32(size.Height)|uint32(size.Width)<<16, 0))
		b.In(plan.Filesystem, "process.terminal")
	}
	c.parent.Ask("the parent keeps the other end", master)
	b.Call("make it the controlling terminal", "", plan.Ioctl, plan.Of(slave), plan.Int(unix.TIOCSCTTY), plan.Int(0))
	for n := range 3 {
		b.Call("make it descriptor "+strconv.Itoa(n), "", plan.Dup3, plan.Of(slave), plan.Int(n), plan.Int(0))
	}
	b.Call("close", "", plan.Close, plan.Of(slave))
	b.Call("close", "", plan.Close, plan.Of(master.A))
}

// bitMask is a validated list of CPUs or memory nodes as 64-bit words.
func bitMask(list string) []uint64 {
	ranges, _ := spec.ParseList(list)
	var mask []uint64
	for _, r := range ranges {
		for n := r.First; n <= r.Last; n++ {
			for len(mask) <= int(n/64) {
				mask = append(mask, 0)
			}
			mask[n/64] |= 1 << (n % 64)
		}
	}
	return mask
}
