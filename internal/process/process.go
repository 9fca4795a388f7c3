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
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
)

// Input has what Compile needs in addition to the spec.
type Input struct {
	ID             string
	Seccomp        *seccomp.Program // nil: none
	Rlimits        bool             // set resource limits in a step; else the parent does, from outside
	LastCapability int              // the highest one known to the kernel
	Preserve       int              // descriptors 3 … that the program inherits
	Listen         int              // of which this many are for LISTEN_FDS
	Waits          bool             // for `start`, once the container is created
	NoKeyring      bool             // keep the session keyring
	PipeModes      [3]uint32        // of standard descriptors that process.user could not reopen; 0: unchanged
	HostRoot       [2]uint32        // host uid and gid of the user namespace's root, if known
	// files of the host that stdout and stderr of hooks inside are appended to; "": none
	HookOutput    [2]string
	DieWithParent bool // SIGKILL when its parent exits
	Init          bool // PID 1 is an init, and the program its child: see becomeInit
	Unasked       bool // continue to execve without sending Ready: no command waits for it
	// the filter forbids reporting that the program cannot be executed: see FilterAllowsReport
	Unreported        bool
	KeepGroups        bool // keep the caller's additional groups, whatever process.user contains
	UserNS            bool // it is in a user namespace, its own or minirun's
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
		c.startFiles = c.openHookFiles("startContainer", c.startHooks) // the first ones: see closeOthers
	}
	return &Process{c}
}
