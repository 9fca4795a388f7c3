package process

import (
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
	"github.com/minirun/minirun/internal/spec"
)

// A process of `exec` enters a container that is already running, so everything it
// finds there may be hostile: /proc, /dev, the other processes. What needs the host
// comes first (Outside), and nothing inside is trusted (Inside).
//
// The same holds for the first process of a container that joins the PID namespace of
// another one. Both enter the PID namespace last:
//
//	joins the namespaces, the PID namespace only for its children
//	cgroups, session keyring, terminal
//	Identity    closes its descriptors, drops what the container may not have
//	clone ────▶ the process that continues: the first that processes inside can see
//	            Arrive      session, controlling terminal
//	            Exec
//
// So the process that is visible inside never has more capabilities, other IDs,
// another root or another filter than the container's own processes, and the only
// additional descriptor that it has is the socket to minirun.

// Outside adds the steps of `exec` before the process joins the container's
// namespaces. Their effects survive the fork that enters a PID namespace.
func (r *Process) Outside() {
	c := r.c
	c.name()
	if adj := c.p.OOMScoreAdj; adj != nil {
		c.b.In(plan.Limits, "process.oomScoreAdj")
		namespaces.WriteFile(c.b, "set oom_score_adj to "+strconv.Itoa(*adj), "/proc/self/oom_score_adj", strconv.Itoa(*adj))
	}
	c.labels()
}

// Inside adds the steps after the process has joined the container's namespaces and
// cgroups.
func (r *Process) Inside() {
	c := r.c
	c.execAffinity()
	c.session()
	if c.p.Terminal {
		c.terminal()
	}
}

// execAffinity sets process.execCPUAffinity.final. Without it, and without initial,
// which was set when the process was started, it runs on all CPUs of the cpuset.
func (c *compiler) execAffinity() {
	a := c.p.ExecCPUAffinity
	switch {
	case a != nil && a.Final != "":
		mask := listMask(a.Final)
		c.b.In(plan.Limits, "process.execCPUAffinity.final")
		c.b.Add(plan.Op{Name: "run on CPUs " + a.Final},
			plan.SchedSetaffinity, plan.Int(0), plan.Int(8*len(mask)), c.b.Words(mask...))
	case a == nil || a.Initial == "":
		c.allCPUs()
	}
}

// terminal opens a terminal in the container's devpts, gives its slave to the process,
// and its master to the parent. A process of the container may have replaced ptmx with
// anything; a file that is not a terminal's master has no slave to open.
func (c *compiler) terminal() {
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
			plan.Ioctl, plan.Of(master.A), plan.Int(unix.TIOCSWINSZ), b.Words32(uint32(size.Height)|uint32(size.Width)<<16, 0))
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
		c.controllingTerminal()
	}
}

// controllingTerminal makes standard input, a terminal, the controlling terminal of
// the session.
func (c *compiler) controllingTerminal() {
	c.b.In(plan.Filesystem, "process.terminal")
	c.b.Add(plan.Op{Name: "make it the controlling terminal"},
		plan.Ioctl, plan.Int(0), plan.Int(unix.TIOCSCTTY), plan.Int(0))
}

// closeAll closes every descriptor that the program does not inherit, except the
// socket to the parent and the files of the startContainer hooks. Those directly
// follow the socket, and contain nothing from outside the container.
func (c *compiler) closeAll() {
	c.b.In(plan.Exec, "")
	c.b.Add(plan.Op{
		Name: "close all other descriptors",
		Why:  "processes of the PID namespace could take them from the one that is cloned",
	}, plan.CloseRange, plan.Int(c.afterStartFiles()), plan.Int(uint32(0xffffffff)), plan.Int(0))
}

// processLimit is the limit that also counts a process that is about to be cloned.
const processLimit = "RLIMIT_NPROC"

// makeRoomForClone raises the limit of processes as far as necessary, or as far as
// possible. Lowering it needs no privilege, so it can be set after the clone.
func (c *compiler) makeRoomForClone(i int) {
	most := max(c.p.Rlimits[i].Hard, c.in.ProcessLimit)
	c.rlimit("make room for the clone: "+processLimit, i, most, most)
}

// ScheduledFromOutside reports whether a scheduling policy is not inherited by a
// child, or forbids creating one: then the parent sets it, after the last process is
// cloned (sched(7), "The SCHED_RESET_ON_FORK flag", "SCHED_DEADLINE").
func ScheduledFromOutside(s *specs.Scheduler) bool {
	return s.Policy == specs.SchedDeadline || slices.Contains(s.Flags, specs.SchedFlagResetOnFork)
}

// Arrive adds the steps of the process that was cloned into a PID namespace with other
// processes. None of them needs a privilege.
//
// With FilterLast it still has CAP_SYS_ADMIN when it arrives, without which the kernel
// accepts no filter from a process that may gain privileges.
func (r *Process) Arrive() {
	c := r.c
	c.beginSession()
	if c.p.Terminal {
		c.controllingTerminal()
	}
	if c.in.Waits {
		c.startSocket()
	}
	if c.in.Rlimits {
		for i, l := range c.p.Rlimits {
			if l.Type == processLimit {
				c.rlimit("limit "+l.Type, i, l.Soft, l.Hard)
			}
		}
	}
	c.dieWithParent()
	if c.in.FilterLast {
		c.filterAndCapset()
	}
}

// Arrives reports whether a filter allows a process to clone its successor, and the
// successor to take the steps of Arrive. The filter may then be loaded before them.
func Arrives(filter *seccomp.Program, p *specs.Process, in *Input) bool {
	calls := [][]uint64{
		{uint64(plan.Clone.Number()), uint64(unix.CLONE_PARENT | uintptr(unix.SIGCHLD))},
		{uint64(plan.Close.Number())},
		{uint64(plan.Write.Number())},
		{uint64(plan.Read.Number())},
		{uint64(plan.ExitGroup.Number())},
		{uint64(plan.Setsid.Number())},
	}
	if p.Terminal {
		calls = append(calls, []uint64{uint64(plan.Ioctl.Number()), 0, unix.TIOCSCTTY})
	}
	if in.Waits {
		calls = append(calls, []uint64{uint64(plan.Socketpair.Number()), unix.AF_UNIX, unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC})
	}
	if in.DieWithParent {
		calls = append(calls, []uint64{uint64(plan.Prctl.Number()), unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL)})
	}
	if slices.ContainsFunc(p.Rlimits, func(l specs.POSIXRlimit) bool { return l.Type == processLimit }) {
		calls = append(calls, []uint64{uint64(plan.Prlimit.Number())})
	}
	if filter.Notify {
		// The agent gets the listener when the last process exists. Until then nothing
		// may wait for its answer.
		calls = append(calls, []uint64{uint64(plan.Capset.Number())})
	}
	return !slices.ContainsFunc(calls, func(call []uint64) bool { return !filter.Allows(uint32(call[0]), call[1:]...) })
}

// listMask converts a validated list of CPUs or memory nodes to 64-bit words.
func listMask(list string) []uint64 {
	mask := spec.ListMask(list)
	words := make([]uint64, len(mask))
	for i, word := range mask {
		words[i] = uint64(word)
	}
	return words
}
