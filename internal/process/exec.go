package process

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
)

// HomeSize is the size of the buffer for "HOME=…", which the parent may answer at
// Ready.
const HomeSize = 4096

// openCwd opens process.cwd and changes to it. RESOLVE_NO_MAGICLINKS: a cwd of
// /proc/self/fd/7, or an image's link to it, leads nowhere even if a descriptor of the
// host were open (CVE-2024-21626).
func (c *compiler) openCwd(t plan.Then) {
	b := c.b
	b.Add(plan.Op{
		Name: "open the working directory " + c.p.Cwd,
		Why:  "no magic links: they could lead out of the container",
		Out:  c.cwd,
		Then: t,
	}, plan.Openat2, plan.Int(unix.AT_FDCWD), b.Str(c.p.Cwd), b.Words(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0, unix.RESOLVE_NO_MAGICLINKS), plan.Int(24))
	b.Add(plan.Op{Name: "go to " + c.p.Cwd}, plan.Fchdir, plan.Of(c.cwd))
}

// cwdBefore enters process.cwd as root, who may enter directories that the process's
// user may not. Where root may not either (a home on NFS), cwdAfter tries again.
func (c *compiler) cwdBefore() {
	c.b.In(plan.Exec, "process.cwd")
	c.cwd = c.b.Cell("cwd")
	if !c.triesCwdAgain() {
		c.openCwd(plan.Then{})
		return
	}
	later := c.b.Label()
	on := []plan.On{{Errno: unix.EACCES, To: later}, {Errno: unix.EPERM, To: later}}
	if c.in.ClonedLast {
		on = append(on, plan.On{Errno: unix.ENOENT, To: later}) // in a /proc that does not show this process
	}
	c.openCwd(plan.Then{On: on})
	c.b.Place(later)
}

// cwdAfter enters process.cwd as the user, in its PID namespace, if root could not.
func (c *compiler) cwdAfter() {
	if !c.triesCwdAgain() {
		return
	}
	b := c.b
	b.In(plan.Exec, "process.cwd")
	done, again := b.Label(), b.Label()
	b.Add(plan.Op{
		Name: "is the working directory open",
		Then: plan.Then{Next: done, On: []plan.On{{Errno: unix.EBADF, To: again}}},
	}, plan.Fcntl, plan.Of(c.cwd), plan.Int(unix.F_GETFD), plan.Int(0))
	b.Place(again)
	c.openCwd(plan.Then{})
	b.Place(done)
}

// triesCwdAgain reports whether the process may be able to enter a directory later
// that it could not enter before Identity: as another user, or in another PID
// namespace.
func (c *compiler) triesCwdAgain() bool {
	u := &c.p.User
	return c.in.ClonedLast || u.UID != 0 || u.GID != 0 || len(u.AdditionalGids) > 0
}

// Exec adds the last part of the plan.
func (r *Process) Exec() {
	c := r.c
	c.cwdAfter()
	candidates := Candidates(c.p.Args[0], c.p.Env)
	c.lookup(candidates)
	env, home := c.environment()
	if !c.in.Unasked {
		c.ready(home)
	}
	// The filter is loaded as late as possible: it need not allow the earlier steps.
	// But no program from the image runs without it, so startContainer hooks come
	// after it.
	if c.p.NoNewPrivileges && len(c.startHooks) > 0 {
		c.seccomp()
	}
	// These programs belong to the image and run in its root: they get the program's
	// environment unless they have their own, as in runc.
	c.hookList("startContainer", c.startHooks, c.startFiles, env)
	if c.p.NoNewPrivileges && len(c.startHooks) == 0 {
		c.seccomp()
	}
	c.execve(candidates, env)
	c.reportLast()
	c.parent.End()
}

// dieWithParent follows the change of user, at which the kernel clears the
// setting, and before Ready, whose answer proves that the parent was still alive when
// the kernel had recorded it.
func (c *compiler) dieWithParent() {
	if !c.in.DieWithParent {
		return
	}
	c.b.In(plan.Identity, "annotations")
	c.b.Add(plan.Op{Name: "die when minirun exits", Why: "the minirun that waits for the program may be killed"},
		plan.Prctl, plan.Int(unix.PR_SET_PDEATHSIG), plan.Int(unix.SIGKILL), plan.Int(0), plan.Int(0), plan.Int(0))
}

// environment returns process.env, plus HOME if it has none: the parent looks it up in
// the container's /etc/passwd and sends it at Ready, into the room that the last
// pointer refers to.
func (c *compiler) environment() (env, home plan.Arg) {
	c.b.In(plan.Exec, "process.env")
	list := Environment(c.p.Env)
	if c.in.Listen > 0 {
		list = append(list, "LISTEN_FDS="+strconv.Itoa(c.in.Listen), "LISTEN_PID=1")
	}
	if HasHome(c.p.Env) {
		return c.b.Strs(list), c.b.Room(8)
	}
	home = c.b.Room(HomeSize)
	return c.b.Strs(list, home), home
}

// Environment returns env with each name once, at the position and with the value of
// its last entry, as in runc. An empty HOME counts as unset.
func Environment(env []string) []string {
	out := make([]string, 0, len(env)+3)
	last := make(map[string]int, len(env))
	for i, e := range env {
		name, _, _ := strings.Cut(e, "=")
		last[name] = i
	}
	for i, e := range env {
		if name, _, _ := strings.Cut(e, "="); last[name] == i && e != "HOME=" {
			out = append(out, e)
		}
	}
	return out
}

// HasHome reports whether env sets HOME to a non-empty value.
func HasHome(env []string) bool {
	home := ""
	for _, e := range env { // the last one counts
		if v, ok := strings.CutPrefix(e, "HOME="); ok {
			home = v
		}
	}
	return home != ""
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

// startSocket creates the socket on which `start` will speak to the process after the
// minirun that created it has exited. The process holds both ends: no other process
// has to keep them, and `start` takes its own with pidfd_getfd(2).
func (c *compiler) startSocket() {
	b := c.b
	b.In(plan.Sync, "")
	c.ends = b.Message(handshake.Ready, "ends")
	at := b.At(c.ends.A) // socketpair fills it with two 32-bit numbers
	c.otherEnd = b.CellIn(at, 4, "other")
	b.Add(plan.Op{Name: "make the socket for start", Why: "`minirun start` takes the other end"},
		plan.Socketpair, plan.Int(unix.AF_UNIX), plan.Int(unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC), plan.Int(0), at)
}

// ready reports to the parent that the container is created, and waits for start.
func (c *compiler) ready(home plan.Arg) {
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
