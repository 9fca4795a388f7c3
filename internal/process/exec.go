package process

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// Exec adds the last part of the plan.
func (r *Process) Exec() {
	c := r.c
	c.enterCwdAsUser()
	candidates := Candidates(c.p.Args[0], c.p.Env)
	c.findProgram(candidates)
	env, home := c.addEnvironment()
	if !c.in.Unasked {
		c.askReady(home)
	}
	// The filter is loaded as late as possible: it need not allow the earlier steps.
	// But no program from the image runs without it, so startContainer hooks come
	// after it.
	if c.p.NoNewPrivileges && len(c.startHooks) > 0 {
		c.loadFilter()
	}
	// These programs belong to the image and run in its root: they get the program's
	// environment unless they have their own, as in runc.
	c.addHooks("startContainer", c.startHooks, c.startFiles, env)
	if c.p.NoNewPrivileges && len(c.startHooks) == 0 {
		c.loadFilter()
	}
	c.executeProgram(candidates, env)
	c.placeReport()
	c.parent.End()
}

// setParentDeathSignal follows the change of user, at which the kernel clears the
// setting, and before Ready, whose answer proves that the parent was still alive when
// the kernel had recorded it.
func (c *compiler) setParentDeathSignal() {
	if !c.in.DieWithParent {
		return
	}
	c.b.In(plan.Identity, "annotations")
	c.b.Add(plan.Op{Name: "die when minirun exits", Why: "the minirun that waits for the program may be killed"},
		plan.Prctl, plan.Int(unix.PR_SET_PDEATHSIG), plan.Int(unix.SIGKILL), plan.Int(0), plan.Int(0), plan.Int(0))
}

// closeAtExec is the first step: inherited descriptors are closed at execve, and all
// that are opened later are opened close-on-exec. A filter that is loaded without
// no_new_privs then need not allow close_range.
func (c *compiler) closeAtExec() {
	c.b.In(plan.Exec, "")
	first := 3 + c.in.Preserve
	c.b.Add(plan.Op{
		Name: "close descriptors from " + strconv.Itoa(first) + " on at execve",
		Why:  "no descriptor of minirun stays open in the container",
	}, plan.CloseRange, plan.Int(first), plan.Int(uint32(0xffffffff)), plan.Int(unix.CLOSE_RANGE_CLOEXEC))
}

// createStartSocket creates the socket on which `start` will speak to the process after the
// minirun that created it has exited. The process holds both ends: no other process
// has to keep them, and `start` takes its own with pidfd_getfd(2).
func (c *compiler) createStartSocket() {
	b := c.b
	b.In(plan.Sync, "")
	c.ends = b.Message(handshake.Ready, "ends")
	at := b.At(c.ends.A) // socketpair fills it with two 32-bit numbers
	c.otherEnd = b.CellIn(at, 4, "other")
	b.Add(plan.Op{Name: "make the socket for start", Why: "`minirun start` takes the other end"},
		plan.Socketpair, plan.Int(unix.AF_UNIX), plan.Int(unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC), plan.Int(0), at)
}

// askReady reports to the parent that the container is created, and waits for start.
func (c *compiler) askReady(home plan.Arg) {
	b := c.b
	b.In(plan.Sync, "")
	size := 8
	if !HasHome(c.p.Env) {
		size = HomeSize
	}
	if !c.in.Waits {
		c.parent.AskInto("the container is created", b.Message(handshake.Ready), home, size)
		return
	}
	c.parent.AskInto("the container is created", c.ends, home, size)
	// A system call takes the low half of the cell: the number of the first end.
	b.Add(plan.Op{
		Name: "listen to start",
		Why:  "it takes the parent's place; the parent sees the end of the conversation",
	}, plan.Dup3, plan.Of(c.ends.A), plan.Int(b.SyncFD()), plan.Int(unix.O_CLOEXEC))
	again := b.Here()
	b.Add(plan.Op{
		Name: "wait for start",
		Why:  "the container is created",
		Kind: plan.WaitForStart,
		Then: plan.Then{Zero: c.parent.Gone(), On: []plan.On{{Errno: unix.EINTR, To: again}}},
	}, plan.Read, plan.Int(b.SyncFD()), b.Room(8), plan.Int(8))
	b.Add(plan.Op{Name: "leave the other end to start", Why: "from here on the death of start is noticed"},
		plan.Close, plan.Of(c.otherEnd))
}
