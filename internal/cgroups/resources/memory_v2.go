package resources

import specs "github.com/opencontainers/runtime-spec/specs-go"

// memoryV2 writes the files of cgroup-v2.rst, "Memory", all of Linux 4.5. It is also
// used for a host without a memory controller: version then fails on the first setting
// that needs one.
func (c *compiler) memoryV2(m *specs.LinuxMemory) {
	if isSet(m.KernelTCP) && *m.KernelTCP > 0 {
		c.failV2("memory", "memory.kernelTCP", "TCP buffers count towards memory.limit there")
	}
	if hasSwappiness(m) {
		c.failV2("memory", "memory.swappiness", "set vm.swappiness for the host, or limit memory.swap")
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
		c.failV2("memory", "memory.disableOOMKiller",
			"use memory.high in linux.resources.unified to slow the container down instead")
	}
	// Swap comes before memory. If the kernel does not count swap, the file is missing;
	// then no swap can be used, and both 0 and "no limit" already apply.
	if swap, ok := c.swapAlone(m); ok && c.version("memory", "memory.swap") == 2 {
		v := c.addV2("memory.swap.max", swap, "memory.swap")
		v.Verify = VerifyBytes
		v.Optional = swap == "max" || swap == "0"
	}
	if isSet(m.Limit) && c.version("memory", "memory.limit") == 2 {
		v := c.addV2("memory.max", formatLimit(*m.Limit), "memory.limit")
		v.Verify = VerifyBytes
		if m.CheckBeforeUpdate != nil && *m.CheckBeforeUpdate && *m.Limit > 0 {
			v.Ceiling = "memory.current" // v2 would kill processes rather than refuse
		}
	}
	if isSet(m.Reservation) && c.version("memory", "memory.reservation") == 2 {
		c.addV2("memory.low", formatLimit(*m.Reservation), "memory.reservation").Verify = VerifyBytes
	}
}

// swapAlone converts memory+swap, as in config.json, to swap alone.
func (c *compiler) swapAlone(m *specs.LinuxMemory) (value string, ok bool) {
	switch {
	case !isSet(m.Swap) && isSet(m.Limit) && *m.Limit == -1:
		return "max", true // as in v1: no limit for memory means none for both
	case !isSet(m.Swap):
		return "", false
	case *m.Swap == -1:
		return "max", true
	case !isSet(m.Limit) || *m.Limit == -1:
		c.fail("memory.swap", "%d counts memory and swap together, so cgroup v2 needs linux.resources.memory.limit "+
			"to separate them", *m.Swap)
		return "", false
	}
	return formatNumber(*m.Swap - *m.Limit), true
}
