package resources

import (
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// memory compiles linux.resources.memory. kernel is not written: Linux 5.16 and later
// accept memory.kmem.limit_in_bytes and ignore it; internal/spec warns about that.
func (c *compiler) memory(m *specs.LinuxMemory) {
	c.checkMemory(m)
	if c.h.HasV1("memory") {
		c.memoryV1(m)
	} else {
		c.memoryV2(m)
	}
}

func (c *compiler) checkMemory(m *specs.LinuxMemory) {
	for _, f := range []struct {
		name  string
		value *int64
	}{
		{"limit", m.Limit}, {"reservation", m.Reservation}, {"swap", m.Swap},
		{"kernel", m.Kernel}, {"kernelTCP", m.KernelTCP},
	} {
		if f.value != nil && *f.value < -1 {
			c.fail("memory."+f.name, "%d is not a number of bytes: give one from 0 up, or -1 for no limit", *f.value)
		}
	}
	if hasSwappiness(m) && *m.Swappiness > 100 {
		c.fail("memory.swappiness", "%d is out of range: 0 to 100", *m.Swappiness)
	}
	if isSet(m.Swap) && *m.Swap > 0 && isSet(m.Limit) && *m.Swap < *m.Limit {
		c.fail("memory.swap", "%d is below linux.resources.memory.limit, %d: swap counts memory and swap together",
			*m.Swap, *m.Limit)
	}
}

// hasSwappiness reports whether a swappiness is given. Engines write their -1 for "not
// set" into an unsigned field.
func hasSwappiness(m *specs.LinuxMemory) bool {
	return m.Swappiness != nil && *m.Swappiness != math.MaxUint64
}

// memoryV1 writes the files of cgroup-v1/memory.rst. Since Linux 5.11 every cgroup
// counts the memory of those below it.
func (c *compiler) memoryV1(m *specs.LinuxMemory) {
	// memory.use_hierarchy: Linux 2.6.29; since 5.11 only 1 is accepted. false is what
	// config.json has by default.
	if m.UseHierarchy != nil && *m.UseHierarchy {
		c.addV1("memory.use_hierarchy", "1", "memory.useHierarchy")
	}
	// memory.limit_in_bytes: Linux 2.6.25; memory.memsw.limit_in_bytes: 2.6.29. The kernel
	// requires limit ≤ memory+swap at all times: to raise both, memsw is written first; to
	// lower both, the limit.
	if isSet(m.Limit) {
		v := c.addV1("memory.limit_in_bytes", formatNumber(*m.Limit), "memory.limit")
		v.Verify = VerifyBytes
		v.SwapNext = isSet(m.Swap) || *m.Limit == -1
	}
	switch {
	case isSet(m.Swap):
		v := c.addV1("memory.memsw.limit_in_bytes", formatNumber(*m.Swap), "memory.swap")
		v.Verify = VerifyBytes
		v.Optional = *m.Swap == -1 // without swap accounting "no limit" already applies
	case isSet(m.Limit) && *m.Limit == -1:
		// The limit cannot be raised above an old memory+swap limit.
		v := c.addV1("memory.memsw.limit_in_bytes", "-1", "memory.limit")
		v.Verify, v.Optional = VerifyBytes, true
	}
	// memory.soft_limit_in_bytes: Linux 2.6.32.
	if isSet(m.Reservation) {
		c.addV1("memory.soft_limit_in_bytes", formatNumber(*m.Reservation), "memory.reservation").Verify = VerifyBytes
	}
	// memory.kmem.tcp.limit_in_bytes: Linux 3.3.
	if isSet(m.KernelTCP) {
		c.addV1("memory.kmem.tcp.limit_in_bytes", formatNumber(*m.KernelTCP), "memory.kernelTCP").Verify = VerifyBytes
	}
	// memory.swappiness: Linux 2.6.29.
	if hasSwappiness(m) {
		c.addV1("memory.swappiness", formatNumber(*m.Swappiness), "memory.swappiness")
	}
	// memory.oom_control: Linux 2.6.34. It shows "oom_kill_disable 1" and counters.
	if m.DisableOOMKiller != nil {
		c.addV1("memory.oom_control", formatBool(*m.DisableOOMKiller), "memory.disableOOMKiller").Verify = VerifyOOM
	}
}
