package process

import (
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/handshake"
	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/seccomp"
)

// filterNeedsPrivilege reports whether loading the filter needs CAP_SYS_ADMIN, since the
// process may gain privileges at an execve (seccomp(2)).
func (c *compiler) filterNeedsPrivilege() bool { return c.in.Seccomp != nil && !c.p.NoNewPrivileges }

// filterAndCapset loads a filter that needs CAP_SYS_ADMIN, and drops the capability. A
// filter may fake the success of a call without executing it, so nothing that confines
// the process comes after it: if it fakes capset(2), execve still drops what is not in
// the bounding set.
func (c *compiler) filterAndCapset() {
	c.loadFilter()
	c.capset(CapabilitySets(c.p.Capabilities))
}

// loadFilter loads the filter.
func (c *compiler) loadFilter() {
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

// FilterAllowsReport reports whether a filter allows a process to report that it cannot execute
// its program.
func FilterAllowsReport(filter *seccomp.Program) bool {
	return filter == nil || filter.Allows(plan.Write.Number()) && filter.Allows(plan.Ppoll.Number())
}

// FilterAllowsArrival reports whether a filter allows a process to clone its successor, and the
// successor to take the steps of Arrive. The filter may then be loaded before them.
func FilterAllowsArrival(filter *seccomp.Program, p *specs.Process, in *Input) bool {
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
		calls = append(calls, []uint64{uint64(plan.Socketpair.Number()), unix.AF_UNIX,
			unix.SOCK_SEQPACKET | unix.SOCK_CLOEXEC})
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
