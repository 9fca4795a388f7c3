// Package process converts process in config.json to steps: the identity of the
// container's process, its privileges, and the execve that turns it into the user's
// program.
//
//	Hide      descriptors close at execve; no process inside may trace what follows
//	Begin     its own session and keyring, labels for the coming execve
//	Identity  drops privileges, in the only order that works:
//	            no_new_privs, scheduling, rlimits
//	            working directory, umask
//	            bounding set, IDs, capabilities
//	            seccomp                        (without no_new_privs, followed
//	                                            by CAP_SYS_ADMIN, which it needs)
//	Exec      does the program exist? ready; wait for start; seccomp (with
//	          no_new_privs: as late as possible, but before the startContainer
//	          hooks); execve
//
// A process of `exec` has Outside and Inside instead of Begin: the steps that need the
// host's /proc come before it joins the container's namespaces. If it enters a PID
// namespace that already has processes, Arrive comes between Identity and Exec: see
// join.go.
package process

import (
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
	"github.com/minirun/minirun/internal/spec"
)

// Input has what Compile needs in addition to the spec.
type Input struct {
	ID                string
	Seccomp           *seccomp.Program // nil: none
	Rlimits           bool             // set resource limits in a step; else the parent does, from outside
	LastCapability    int              // the highest one known to the kernel
	Preserve          int              // descriptors 3 … that the program inherits
	Listen            int              // of which this many are for LISTEN_FDS
	Waits             bool             // for `start`, once the container is created
	NoKeyring         bool             // keep the session keyring
	PipeModes         [3]uint32        // of standard descriptors that process.user could not reopen; 0: unchanged
	HostRoot          [2]uint32        // host uid and gid of the user namespace's root, if known
	HookOutput        [2]string        // files of the host that stdout and stderr of hooks inside are appended to; "": none
	DieWithParent     bool             // SIGKILL when its parent exits
	Unasked           bool             // continue to execve without sending Ready: no command waits for it
	Unreported        bool             // the filter forbids reporting that the program cannot be executed: see Reports
	KeepGroups        bool             // keep the caller's additional groups, whatever process.user contains
	UserNS            bool             // it is in a user namespace, its own or minirun's
	Rootless          bool
	SELinux, AppArmor bool

	// ClonedLast is true if the process that continues is cloned after Identity, into
	// a PID namespace with other processes: see Arrive.
	ClonedLast bool
	// FilterLast is true if the seccomp filter forbids the steps of Arrive, so that
	// it must be loaded after them.
	FilterLast bool
	// ProcessLimit is the caller's hard limit of RLIMIT_NPROC.
	ProcessLimit uint64
}

// compiler holds the state shared by the steps of a process.
type compiler struct {
	b          *plan.Builder
	parent     *handshake.Parent
	p          *specs.Process
	linux      *specs.Linux
	in         Input
	cwd        plan.Cell
	startHooks []specs.Hook
	startFiles []hookFiles  // of startHooks
	appended   [2]plan.Arg  // the files of in.HookOutput
	ends       plan.Message // Ready, with both ends of the socket on which `start` will speak
	otherEnd   plan.Cell
	hooks      int          // number of hooks inside so far
	noProgram  plan.Message // NoProgram, sent at reportAt
	reportAt   plan.Label
}

// A Process is a process being compiled.
type Process struct{ c *compiler }

// New returns a Process; its parts are added by Hide, Begin, Identity and Exec, in
// this order.
func New(b *plan.Builder, parent *handshake.Parent, s *specs.Spec, in Input) *Process {
	linux := s.Linux
	if linux == nil {
		linux = &specs.Linux{}
	}
	c := &compiler{b: b, parent: parent, p: s.Process, linux: linux, in: in}
	if s.Hooks != nil {
		c.startHooks = s.Hooks.StartContainer
		c.startFiles = c.openHookFiles("startContainer", c.startHooks) // the first ones: see closeAll
	}
	return &Process{c}
}

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
	r.c.allCPUs()
	r.c.name()
	r.c.session()
	r.c.labels()
}

// name gives the set-up process a name by which it is recognized: a process that dies
// under another name has already become the program (see endedEarly in package
// container).
func (c *compiler) name() {
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

// session gives the process its own session and keyring, and clears its umask.
func (c *compiler) session() {
	b := c.b
	c.beginSession()
	if c.in.Waits && !c.in.ClonedLast {
		c.startSocket()
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
		}, plan.Keyctl, plan.Int(unix.KEYCTL_JOIN_SESSION_KEYRING), b.Str("_ses."+c.in.ID), plan.Int(0), plan.Int(0), plan.Int(0))
		b.Add(plan.Op{Name: "let the user search it", Why: "a key that cannot be searched for cannot be used"},
			plan.Keyctl, plan.Int(unix.KEYCTL_SETPERM), plan.Of(ring), plan.Int(keyringPermissions), plan.Int(0), plan.Int(0))
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

// labels requests the security labels of the program. They take effect at execve;
// requesting them now uses the host's /proc, which no image can replace
// (CVE-2019-16884, CVE-2025-52881).
func (c *compiler) labels() {
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

// Identity adds the steps that give the process its final identity.
func (r *Process) Identity() {
	c := r.c
	c.scheduling()
	if c.in.Rlimits {
		c.rlimits()
	}
	if c.p.NoNewPrivileges {
		c.b.In(plan.Identity, "process.noNewPrivileges")
		c.b.Add(plan.Op{Name: "set no_new_privs", Why: "execve gives no privileges"},
			plan.Prctl, plan.Int(unix.PR_SET_NO_NEW_PRIVS), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
	c.ownTerminal()
	if c.in.ClonedLast {
		c.closeAll()
	}
	c.cwdBefore()
	c.umask()
	c.boundingSet()
	c.user()
	c.capabilities()
	if !c.in.ClonedLast { // the kernel records it for one process only: see Arrive
		c.dieWithParent()
	}
	if c.privilegedFilter() && !c.in.FilterLast {
		c.filterAndCapset()
	}
}

// privilegedFilter reports whether loading the filter needs CAP_SYS_ADMIN, since the
// process may gain privileges at an execve (seccomp(2)).
func (c *compiler) privilegedFilter() bool { return c.in.Seccomp != nil && !c.p.NoNewPrivileges }

// filterAndCapset loads a filter that needs CAP_SYS_ADMIN, and drops the capability. A
// filter may fake the success of a call without executing it, so nothing that confines
// the process comes after it: if it fakes capset(2), execve still drops what is not in
// the bounding set.
func (c *compiler) filterAndCapset() {
	c.seccomp()
	c.capset(Mask(c.p.Capabilities))
}

// scheduling adds personality, scheduler, I/O priority and memory policy.
func (c *compiler) scheduling() {
	b := c.b
	if p := c.linux.Personality; p != nil {
		b.In(plan.Identity, "linux.personality")
		domain, _ := spec.Personality(p.Domain)
		b.Add(plan.Op{Name: "set the personality to " + string(p.Domain)},
			plan.Personality, plan.Int(domain))
	}
	if s := c.p.Scheduler; s != nil && !(c.in.ClonedLast && ScheduledFromOutside(s)) {
		b.In(plan.Limits, "process.scheduler")
		b.Add(plan.Op{Name: "set the scheduler to " + string(s.Policy)},
			plan.SchedSetattr, plan.Int(0), schedAttr(b, s), plan.Int(0))
	}
	if io := c.p.IOPriority; io != nil {
		b.In(plan.Limits, "process.ioPriority")
		class, _ := spec.IOPriorityClass(io.Class)
		b.Add(plan.Op{Name: "set the I/O priority"},
			plan.IoprioSet, plan.Int(1), plan.Int(0), plan.Int(class<<13|io.Priority))
	}
	c.memoryPolicy()
}

// schedAttr puts a struct sched_attr into the plan.
func schedAttr(b *plan.Builder, s *specs.Scheduler) plan.Arg {
	a := SchedAttr(s)
	return b.Words(uint64(a.Size)|uint64(a.Policy)<<32, a.Flags, uint64(uint32(a.Nice))|uint64(a.Priority)<<32, a.Runtime, a.Deadline, a.Period)
}

// schedAttrSize is the size of struct sched_attr in its first version, in bytes.
const schedAttrSize = 48

// SchedAttr returns process.scheduler in the form that sched_setattr(2) takes.
func SchedAttr(s *specs.Scheduler) *unix.SchedAttr {
	policy, _ := spec.SchedulerPolicy(s.Policy)
	a := unix.SchedAttr{
		Size: schedAttrSize, Policy: uint32(policy), Nice: s.Nice, Priority: uint32(s.Priority),
		Runtime: s.Runtime, Deadline: s.Deadline, Period: s.Period,
	}
	for _, f := range s.Flags {
		bit, _ := spec.SchedulerFlag(f)
		a.Flags |= bit
	}
	return &a
}

// rlimits sets the resource limits. The number of processes is limited after the
// last clone, which would count against it.
func (c *compiler) rlimits() {
	for i, l := range c.p.Rlimits {
		if c.in.ClonedLast && l.Type == processLimit {
			c.makeRoomForClone(i)
			continue
		}
		c.rlimit("limit "+l.Type, i, l.Soft, l.Hard)
	}
}

func (c *compiler) rlimit(name string, i int, soft, hard uint64) {
	resource, _ := spec.Rlimit(c.p.Rlimits[i].Type)
	c.b.In(plan.Limits, "process.rlimits["+strconv.Itoa(i)+"]")
	c.b.Add(plan.Op{Name: name},
		plan.Prlimit, plan.Int(0), plan.Int(resource), c.b.Words(soft, hard), plan.Int(0))
}

// seccomp loads the filter.
func (c *compiler) seccomp() {
	p := c.in.Seccomp
	if p == nil {
		return
	}
	b := c.b
	b.In(plan.Identity, "linux.seccomp")
	filter := make([]uint64, len(p.Filter)) // struct sock_filter is eight bytes
	for i, f := range p.Filter {
		filter[i] = uint64(f.Code) | uint64(f.Jt)<<16 | uint64(f.Jf)<<24 | uint64(f.K)<<32
	}
	prog := b.Words(uint64(len(filter)), b.Words(filter...).Value) // struct sock_fprog
	const setModeFilter = 1
	name := "load the seccomp filter of " + strconv.Itoa(len(filter)) + " instructions"
	if !p.Notify {
		b.Add(plan.Op{Name: name}, plan.Seccomp, plan.Int(setModeFilter), plan.Int(p.Flags), prog)
		return
	}
	m := b.Message(handshake.SeccompListener, "listener")
	b.Add(plan.Op{Name: name, Out: m.A}, plan.Seccomp, plan.Int(setModeFilter), plan.Int(p.Flags), prog)
	c.parent.Ask("the listener goes to linux.seccomp.listenerPath", m)
	// A filter need not allow close. It has to if hooks follow: they would wait
	// forever if the agent exited while the process holds the listener.
	if c.in.ClonedLast && !c.p.NoNewPrivileges || len(c.startHooks) > 0 {
		b.Add(plan.Op{Name: "close", Why: "the parent has it"}, plan.Close, plan.Of(m.A))
	}
}

// ownTerminal makes the process's user the owner of the container's terminal, because
// otherwise that user could not open it as /dev/tty's device. It is the only standard
// descriptor that changes its owner: all others belong to the caller, and exist longer
// than the container.
func (c *compiler) ownTerminal() {
	if !c.p.Terminal || c.p.User.UID == 0 {
		return
	}
	c.b.In(plan.Identity, "process.terminal")
	c.b.Add(plan.Op{
		Name: "give the terminal to the user",
		Why:  "it was created by root",
		Then: plan.Fine(unix.EPERM, unix.EINVAL, unix.EROFS),
	}, plan.Fchown, plan.Int(0), plan.Int(c.p.User.UID), plan.Int(uint32(0xffffffff)))
}

// user sets groups and IDs. keepcaps carries the permitted set over the change from
// root; without it capset below would have nothing to choose from. execve clears it
// (capabilities(7)).
func (c *compiler) user() {
	b, u := c.b, &c.p.User
	b.In(plan.Identity, "process.user")
	if u.UID != 0 {
		b.Add(plan.Op{Name: "keep capabilities across the change of user", Why: "until execve"},
			plan.Prctl, plan.Int(unix.PR_SET_KEEPCAPS), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
	if !c.in.KeepGroups {
		c.groups()
	}
	b.Add(plan.Op{Name: "become gid " + strconv.FormatUint(uint64(u.GID), 10)},
		plan.Setresgid, plan.Int(u.GID), plan.Int(u.GID), plan.Int(u.GID))
	b.Add(plan.Op{Name: "become uid " + strconv.FormatUint(uint64(u.UID), 10)},
		plan.Setresuid, plan.Int(u.UID), plan.Int(u.UID), plan.Int(u.UID))
	if c.in.Rootless {
		b.Add(plan.Op{
			Name: "stay visible to the parent",
			Why:  "without privilege it cannot inspect a process that changed its user",
		}, plan.Prctl, plan.Int(unix.PR_SET_DUMPABLE), plan.Int(1), plan.Int(0), plan.Int(0), plan.Int(0))
	}
}

// groups sets the additional groups.
func (c *compiler) groups() {
	groups := slices.Clone(c.p.User.AdditionalGids)
	slices.Sort(groups)
	groups = slices.Compact(groups) // as in runc: each group once
	denied := plan.Then{}
	if others := slices.DeleteFunc(slices.Clone(groups), func(g uint32) bool { return g == c.p.User.GID }); len(others) == 0 && c.in.UserNS {
		// A user namespace created without privilege has setgroups denied. Then there
		// are no groups to drop, and no other gid to change to.
		denied = plan.Fine(unix.EPERM)
	}
	c.b.Add(plan.Op{Name: "set the additional groups", Then: denied},
		plan.Setgroups, plan.Int(len(groups)), c.b.Words32(groups...))
}

// umask precedes the filter, which may fake umask(2). No step from here on creates
// a file; hooks set their own.
func (c *compiler) umask() {
	b, u := c.b, &c.p.User
	b.In(plan.Identity, "process.user.umask")
	umask := uint32(0o022)
	if u.Umask != nil {
		umask = *u.Umask
	}
	b.Add(plan.Op{Name: "set the umask"}, plan.Umask, plan.Int(umask))
}

// mostCPUs is more than any kernel can be configured for.
const mostCPUs = 8192

// allCPUs resets the caller's CPU affinity, which a container would inherit and keep,
// even when its cpuset changes. The kernel reads as much of the mask as it has CPUs
// and ignores those that are not in the cpuset (sched_setaffinity(2)). EPERM, ENOSYS:
// minirun itself runs under a filter.
func (c *compiler) allCPUs() {
	mask := make([]uint64, mostCPUs/64)
	for i := range mask {
		mask[i] = ^uint64(0)
	}
	c.b.In(plan.Limits, "linux.resources.cpu.cpus")
	c.b.Add(plan.Op{
		Name: "run on all CPUs of the cpuset",
		Why:  "the caller's affinity must not apply to the container",
		Then: plan.Fine(unix.EPERM, unix.ENOSYS),
	}, plan.SchedSetaffinity, plan.Int(0), plan.Int(mostCPUs/8), c.b.Words(mask...))
}

// memoryPolicy sets the NUMA nodes from which the process's memory is allocated.
func (c *compiler) memoryPolicy() {
	m := c.linux.MemoryPolicy
	if m == nil {
		return
	}
	mode, _ := spec.MemoryPolicyMode(m.Mode)
	for _, f := range m.Flags {
		bit, _ := spec.MemoryPolicyFlag(f)
		mode |= bit
	}
	nodes := listMask(m.Nodes)
	c.b.In(plan.Limits, "linux.memoryPolicy")
	mask, bits := plan.Int(0), 0
	if len(nodes) > 0 {
		mask, bits = c.b.Words(nodes...), len(nodes)*64+1 // the kernel reads one bit less than maxnode
	}
	c.b.Add(plan.Op{Name: "set the memory policy to " + string(m.Mode)},
		plan.SetMempolicy, plan.Int(mode), mask, plan.Int(bits))
}
