package process

import (
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// setScheduling adds personality, scheduler, I/O priority and memory policy.
func (c *compiler) setScheduling() {
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
	c.setMemoryPolicy()
}

// schedAttr puts a struct sched_attr into the plan.
func schedAttr(b *plan.Builder, s *specs.Scheduler) plan.Arg {
	a := SchedAttr(s)
	return b.Words(uint64(a.Size)|uint64(a.Policy)<<32, a.Flags, uint64(uint32(a.Nice))|uint64(a.Priority)<<32,
		a.Runtime, a.Deadline, a.Period)
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

// setRlimits sets the resource limits. The number of processes is limited after the
// last clone, which would count against it.
func (c *compiler) setRlimits() {
	for i, l := range c.p.Rlimits {
		if c.in.ClonedLast && l.Type == processLimit {
			c.makeRoomForClone(i)
			continue
		}
		c.setRlimit("limit "+l.Type, i, l.Soft, l.Hard)
	}
}

func (c *compiler) setRlimit(name string, i int, soft, hard uint64) {
	resource, _ := spec.Rlimit(c.p.Rlimits[i].Type)
	c.b.In(plan.Limits, "process.rlimits["+strconv.Itoa(i)+"]")
	c.b.Add(plan.Op{Name: name},
		plan.Prlimit, plan.Int(0), plan.Int(resource), c.b.Words(soft, hard), plan.Int(0))
}

// mostCPUs is more than any kernel can be configured for.
const mostCPUs = 8192

// useAllCPUs resets the caller's CPU affinity, which a container would inherit and keep,
// even when its cpuset changes. The kernel reads as much of the mask as it has CPUs
// and ignores those that are not in the cpuset (sched_setaffinity(2)). EPERM, ENOSYS:
// minirun itself runs under a filter.
func (c *compiler) useAllCPUs() {
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

// setMemoryPolicy sets the NUMA nodes from which the process's memory is allocated.
func (c *compiler) setMemoryPolicy() {
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
