package resources

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/devices"
	"github.com/minirun/minirun/internal/cgroups/host"
)

// compileUpdate is [Compile] for a container that already has resources (pure). rules is
// nil if the device rules stay.
func compileUpdate(h *host.Host, r *specs.LinuxResources, current currentValues) ([]Value, *devices.Policy, error) {
	changed, swap := r, (*int64)(nil)
	if current != (currentValues{}) {
		changed, swap = addCurrent(r, current)
	}
	c := &compiler{h: h}
	c.limits(changed)
	if swap != nil {
		c.swapAbove(*swap, *current.memory)
	}
	if r.CPU != nil && r.CPU.Burst != nil && *r.CPU.Burst == 0 {
		c.removeBurst()
	}
	if len(r.Devices) == 0 || c.err != nil {
		return c.out, nil, c.err
	}
	rules, err := devices.Parse(r.Devices)
	switch {
	case err != nil:
		c.failDevices(err)
	case !h.HasV1("devices") && h.V2 == nil:
		c.version("devices", "devices")
	}
	return c.out, &rules, c.err
}

// addCurrent returns the resources with the values that a v2 file has and r does not. A
// swap that counts the current limit of memory too is returned apart.
func addCurrent(r *specs.LinuxResources, current currentValues) (changed *specs.LinuxResources, swap *int64) {
	changed = new(specs.LinuxResources)
	*changed = *r
	if current.quota != nil || current.period != nil {
		cpu := *r.CPU
		if current.quota != nil {
			cpu.Quota = current.quota
		}
		if current.period != nil { // cpu.max keeps it, but systemd needs both
			cpu.Period = current.period
		}
		changed.CPU = &cpu
	}
	if current.memory != nil {
		memory := *r.Memory
		swap, memory.Swap = r.Memory.Swap, nil
		changed.Memory = &memory
	}
	return changed, swap
}

// swapAbove limits memory and swap together to a number, while memory alone keeps its
// limit, -1 for none.
func (c *compiler) swapAbove(together, memory int64) {
	switch {
	case memory == -1:
		c.fail("memory.swap", "%d counts memory and swap together, and the container has no memory limit\n"+
			"hint: give one too", together)
	case together < memory:
		c.fail("memory.swap", "%d is below the container's memory limit, %d: swap counts memory and swap together",
			together, memory)
	default:
		v := c.addV2("memory.swap.max", formatNumber(together-memory), "memory.swap")
		v.Verify, v.Optional = VerifyBytes, v.Value == "0"
	}
}

// removeBurst removes a burst that the container may have. A new cgroup has none, and a
// kernel without the file (before 5.14) does not support it.
func (c *compiler) removeBurst() {
	switch {
	case c.h.HasV1("cpu"):
		c.addV1("cpu.cfs_burst_us", "0", "cpu.burst").Optional = true
	case c.h.HasV2("cpu"):
		c.addV2("cpu.max.burst", "0", "cpu.burst").Optional = true
	}
}
