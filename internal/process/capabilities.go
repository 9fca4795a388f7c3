package process

import (
	"golang.org/x/sys/unix"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/plan"
	"github.com/minirun/minirun/internal/spec"
)

// Sets are the five capability sets as bit masks (capabilities(7)). Unknown names are
// left out: package spec has warned about them.
type Sets struct{ Bounding, Effective, Inheritable, Permitted, Ambient uint64 }

// CapabilitySets returns the sets that process.capabilities requests. No object means no
// capabilities, as in runc.
func CapabilitySets(caps *specs.LinuxCapabilities) Sets {
	if caps == nil {
		return Sets{}
	}
	s := Sets{
		Bounding:    capabilityBits(caps.Bounding),
		Effective:   capabilityBits(caps.Effective),
		Inheritable: capabilityBits(caps.Inheritable),
		Permitted:   capabilityBits(caps.Permitted),
		Ambient:     capabilityBits(caps.Ambient),
	}
	// The kernel refuses an ambient capability that is not in both sets.
	s.Ambient &= s.Permitted & s.Inheritable
	return s
}

func capabilityBits(names []string) uint64 {
	var mask uint64
	for _, name := range names {
		if n, ok := spec.Capability(name); ok {
			mask |= 1 << n
		}
	}
	return mask
}

// dropFromBoundingSet drops what is not requested, up to the kernel's last capability: one
// that is newer than minirun must not stay. It needs CAP_SETPCAP, so it comes before
// the change of user.
func (c *compiler) dropFromBoundingSet() {
	keep := CapabilitySets(c.p.Capabilities).Bounding
	c.b.In(plan.Identity, "process.capabilities.bounding")
	for n := range c.in.LastCapability + 1 {
		if keep&(1<<n) != 0 {
			continue
		}
		c.b.Add(plan.Op{Name: "drop " + spec.CapabilityName(n)},
			plan.Prctl, plan.Int(unix.PR_CAPBSET_DROP), plan.Int(n), plan.Int(0), plan.Int(0), plan.Int(0))
	}
}

// setCapabilities sets the other four sets.
func (c *compiler) setCapabilities() {
	b, s := c.b, CapabilitySets(c.p.Capabilities)
	now := s
	if c.filterNeedsPrivilege() { // it drops the capabilities itself
		now.Effective |= 1 << unix.CAP_SYS_ADMIN
		now.Permitted |= 1 << unix.CAP_SYS_ADMIN
	}
	c.capset(now)
	b.In(plan.Identity, "process.capabilities.ambient")
	b.Add(plan.Op{Name: "clear the ambient set"},
		plan.Prctl, plan.Int(unix.PR_CAP_AMBIENT), plan.Int(unix.PR_CAP_AMBIENT_CLEAR_ALL), plan.Int(0), plan.Int(0),
		plan.Int(0))
	for n := range 64 {
		if s.Ambient&(1<<n) != 0 {
			b.Add(plan.Op{Name: "raise " + spec.CapabilityName(n)},
				plan.Prctl, plan.Int(unix.PR_CAP_AMBIENT), plan.Int(unix.PR_CAP_AMBIENT_RAISE), plan.Int(n),
				plan.Int(0), plan.Int(0))
		}
	}
}

// capset sets the effective, permitted and inheritable sets.
func (c *compiler) capset(s Sets) {
	b := c.b
	b.In(plan.Identity, "process.capabilities")
	half := func(mask uint64, high bool) uint32 {
		if high {
			return uint32(mask >> 32)
		}
		return uint32(mask)
	}
	var data []uint32 // struct __user_cap_data_struct[2], capset(2)
	for _, high := range [2]bool{false, true} {
		data = append(data, half(s.Effective, high), half(s.Permitted, high), half(s.Inheritable, high))
	}
	b.Add(plan.Op{Name: "set effective, permitted and inheritable"},
		plan.Capset, b.Words32(unix.LINUX_CAPABILITY_VERSION_3, 0), b.Words32(data...))
}
