package process

import (
	"slices"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/plan"
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
	c.setName()
	if adj := c.p.OOMScoreAdj; adj != nil {
		c.b.In(plan.Limits, "process.oomScoreAdj")
		namespaces.WriteFile(c.b, "set oom_score_adj to "+strconv.Itoa(*adj), "/proc/self/oom_score_adj",
			strconv.Itoa(*adj))
	}
	c.requestLabels()
}

// Inside adds the steps after the process has joined the container's namespaces and
// cgroups.
func (r *Process) Inside() {
	c := r.c
	c.setExecAffinity()
	c.setUpSession()
	if c.p.Terminal {
		c.openTerminal()
	}
}

// setExecAffinity sets process.execCPUAffinity.final. Without it, and without initial,
// which was set when the process was started, it runs on all CPUs of the cpuset.
func (c *compiler) setExecAffinity() {
	a := c.p.ExecCPUAffinity
	switch {
	case a != nil && a.Final != "":
		mask := listMask(a.Final)
		c.b.In(plan.Limits, "process.execCPUAffinity.final")
		c.b.Add(plan.Op{Name: "run on CPUs " + a.Final},
			plan.SchedSetaffinity, plan.Int(0), plan.Int(8*len(mask)), c.b.Words(mask...))
	case a == nil || a.Initial == "":
		c.useAllCPUs()
	}
}

// closeOthers closes every descriptor that the program does not inherit, except the
// socket to the parent and the files of the startContainer hooks. Those directly
// follow the socket, and contain nothing from outside the container.
func (c *compiler) closeOthers() {
	c.b.In(plan.Exec, "")
	c.b.Add(plan.Op{
		Name: "close all other descriptors",
		Why:  "processes of the PID namespace could take them from the one that is cloned",
	}, plan.CloseRange, plan.Int(c.firstAfterStartFiles()), plan.Int(uint32(0xffffffff)), plan.Int(0))
}

// processLimit is the limit that also counts a process that is about to be cloned.
const processLimit = "RLIMIT_NPROC"

// makeRoomForClone raises the limit of processes as far as necessary, or as far as
// possible. Lowering it needs no privilege, so it can be set after the clone.
func (c *compiler) makeRoomForClone(i int) {
	most := max(c.p.Rlimits[i].Hard, c.in.ProcessLimit)
	c.setRlimit("make room for the clone: "+processLimit, i, most, most)
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
		c.takeControllingTerminal()
	}
	if c.in.Waits {
		c.createStartSocket()
	}
	if c.in.Rlimits {
		for i, l := range c.p.Rlimits {
			if l.Type == processLimit {
				c.setRlimit("limit "+l.Type, i, l.Soft, l.Hard)
			}
		}
	}
	c.setParentDeathSignal()
	if c.in.FilterLast {
		c.filterAndCapset()
	}
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
