package process

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// InitName is the name that ps shows for a container's first process until execve.
const InitName = "minirun:init"

// keyringPermissions are all for the possessor; view, read, search and link for
// the user (keyctl_setperm(3)).
const keyringPermissions = 0x3f1b0000

// Hide adds a step after which a process needs CAP_SYS_PTRACE on the host to inspect
// or trace this one. Otherwise other processes in a PID namespace that it joins could
// do so between its change of capabilities and execve (CVE-2016-9962). execve reverts
// it. Without privilege minirun could not inspect it either.
func (r *Process) Hide() {
	r.c.closeAtExec()
	if r.c.in.Rootless {
		return
	}
	r.c.b.In(plan.Identity, "")
	r.c.b.Add(plan.Op{
		Name: "hide from other processes",
		Why:  "processes in a joined PID namespace must not trace the set-up",
	}, plan.Prctl, plan.Int(unix.PR_SET_DUMPABLE), plan.Int(0), plan.Int(0), plan.Int(0), plan.Int(0))
}

// Begin adds the steps that come before the root file system, while /proc is
// still the host's.
func (r *Process) Begin() {
	r.c.useAllCPUs()
	r.c.setName()
	r.c.setUpSession()
	r.c.requestLabels()
}

// setName gives the set-up process a name by which it is recognized: a process that dies
// under another name has already become the program (see endedEarly in package
// container).
func (c *compiler) setName() {
	c.b.In(plan.Identity, "")
	c.b.Add(plan.Op{Name: "name the process", Why: "until execve, ps shows this"},
		plan.Prctl, plan.Int(unix.PR_SET_NAME), c.b.Str(InitName), plan.Int(0), plan.Int(0), plan.Int(0))
}

// beginSession makes the process the leader of a new session.
func (c *compiler) beginSession() {
	c.b.In(plan.Identity, "")
	c.b.Add(plan.Op{Name: "begin a session", Why: "no signal from minirun's terminal reaches the container"},
		plan.Setsid)
}

// setUpSession gives the process its own session and keyring, and clears its umask.
func (c *compiler) setUpSession() {
	b := c.b
	c.beginSession()
	if c.in.Waits && !c.in.ClonedLast {
		c.createStartSocket()
	}
	b.Add(plan.Op{Name: "clear the umask", Why: "modes must be used as written"},
		plan.Umask, plan.Int(0))
	if !c.in.NoKeyring {
		// ENOSYS: a kernel without keyrings, where nothing can leak.
		none := b.Label()
		ring := b.Cell("keyring")
		b.Add(plan.Op{
			Name: "join a session keyring",
			Why:  "the container must not get minirun's keys",
			Out:  ring,
			Then: plan.Then{On: []plan.On{{Errno: unix.ENOSYS, To: none}}},
		}, plan.Keyctl, plan.Int(unix.KEYCTL_JOIN_SESSION_KEYRING), b.Str("_ses."+c.in.ID), plan.Int(0), plan.Int(0),
			plan.Int(0))
		b.Add(plan.Op{Name: "let the user search it", Why: "a key that cannot be searched for cannot be used"},
			plan.Keyctl, plan.Int(unix.KEYCTL_SETPERM), plan.Of(ring), plan.Int(keyringPermissions), plan.Int(0),
			plan.Int(0))
		b.Place(none)
	}
}

// Prepare adds the steps that come before a user namespace, which does not map the
// owner of the pipes of the standard descriptors.
//
// A program that opens /dev/stdout needs permission for the pipe itself. The pipe
// keeps its owner, the caller. Group and others may open it, but only the end that the
// process has anyway: what other programs write into the same pipe cannot be read this
// way. EPERM means that the pipe belongs to another user and this process has no
// privilege; then /dev/stdout cannot be opened.
func (r *Process) Prepare() {
	b := r.c.b
	b.In(plan.Identity, "process.user")
	for n, mode := range r.c.in.PipeModes {
		if mode != 0 {
			b.Add(plan.Op{
				Name: "let the user reopen descriptor " + strconv.Itoa(n),
				Why:  "so that " + devNames[n] + " can be opened",
				Then: plan.Fine(unix.EPERM),
			}, plan.Fchmod, plan.Int(n), plan.Int(mode))
		}
	}
}

// devNames are the names of the standard descriptors in a container.
var devNames = [3]string{"/dev/stdin", "/dev/stdout", "/dev/stderr"}

// requestLabels requests the security labels of the program. They take effect at execve;
// requesting them now uses the host's /proc, which no image can replace
// (CVE-2019-16884, CVE-2025-52881).
func (c *compiler) requestLabels() {
	if c.p.ApparmorProfile != "" && c.in.AppArmor {
		c.b.In(plan.Identity, "process.apparmorProfile")
		c.writeAttr("/proc/thread-self/attr/apparmor/exec", "exec "+c.p.ApparmorProfile)
	}
	if c.p.SelinuxLabel != "" && c.in.SELinux {
		c.b.In(plan.Identity, "process.selinuxLabel")
		c.writeAttr("/proc/thread-self/attr/exec", c.p.SelinuxLabel)
	}
}

func (c *compiler) writeAttr(path, value string) {
	fd := c.b.Cell("attr")
	c.b.Add(plan.Op{Name: "open " + path, Out: fd},
		plan.Openat, plan.Int(unix.AT_FDCWD), c.b.Str(path), plan.Int(unix.O_WRONLY|unix.O_CLOEXEC), plan.Int(0))
	c.b.Add(plan.Op{Name: "label the program " + value},
		plan.Write, plan.Of(fd), c.b.Str(value), plan.Int(len(value)))
	c.b.Add(plan.Op{Name: "close"}, plan.Close, plan.Of(fd))
}
