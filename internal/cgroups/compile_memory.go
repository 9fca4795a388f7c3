// This file compiles linux.resources.memory. Kernel documents:
// admin-guide/cgroup-v1/memory.rst and admin-guide/cgroup-v2.rst, "Memory".

package cgroups

import (
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// memory compiles the memory limits. memory.kernel is not written: Linux 5.16 and
// later accept it and ignore it; internal/spec warns about that.
func (c *compiler) memory(m *specs.LinuxMemory) {
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
	if setSwappiness(m) && *m.Swappiness > 100 {
		c.fail("memory.swappiness", "%d is out of range: 0 to 100", *m.Swappiness)
	}
	if set(m.Swap) && *m.Swap > 0 && set(m.Limit) && *m.Swap < *m.Limit {
		c.fail("memory.swap", "%d is below linux.resources.memory.limit %d: swap counts memory and swap together", *m.Swap, *m.Limit)
	}
	if c.h.has("memory") {
		c.memory1(m)
	} else {
		c.memory2(m)
	}
}

func (c *compiler) memory1(m *specs.LinuxMemory) {
	bytes := func(file, field string, n *int64) {
		if set(n) {
			c.add(Value{Controller: "memory", File: file, Value: itoa(*n), Source: "memory." + field, Verify: VerifyBytes})
		}
	}
	text := func(file, field, value string, verify Verify) {
		c.add(Value{Controller: "memory", File: file, Value: value, Source: "memory." + field, Verify: verify})
	}
	if m.UseHierarchy != nil && *m.UseHierarchy { // false is config.json's default, and the file was removed in Linux 5.11
		text("memory.use_hierarchy", "useHierarchy", "1", VerifyText)
	}
	// The kernel requires limit ≤ memory+swap at all times: to raise both, memsw is
	// written first; to lower both, the limit.
	bytes("memory.limit_in_bytes", "limit", m.Limit)
	if set(m.Limit) && (set(m.Swap) || *m.Limit == -1) {
		c.out[len(c.out)-1].SwapNext = true
	}
	switch {
	case set(m.Swap):
		bytes("memory.memsw.limit_in_bytes", "swap", m.Swap)
		// Without swap accounting swap is not counted: "no limit" already applies.
		c.out[len(c.out)-1].Optional = *m.Swap == -1
	case set(m.Limit) && *m.Limit == -1:
		// The limit cannot be raised above an old memory+swap limit.
		c.add(Value{Controller: "memory", File: "memory.memsw.limit_in_bytes", Value: "-1",
			Source: "memory.limit", Verify: VerifyBytes, Optional: true})
	}
	bytes("memory.soft_limit_in_bytes", "reservation", m.Reservation)
	bytes("memory.kmem.tcp.limit_in_bytes", "kernelTCP", m.KernelTCP)
	if setSwappiness(m) {
		text("memory.swappiness", "swappiness", itoa(*m.Swappiness), VerifyText)
	}
	if m.DisableOOMKiller != nil {
		// The file shows "oom_kill_disable 1" and counters.
		c.add(Value{Controller: "memory", File: "memory.oom_control", Value: bit(*m.DisableOOMKiller),
			Source: "memory.disableOOMKiller", Verify: VerifyOOM})
	}
}

// memory2 is also used for a host without a memory controller: version then fails on
// the first setting that needs one.
func (c *compiler) memory2(m *specs.LinuxMemory) {
	if set(m.KernelTCP) && *m.KernelTCP > 0 {
		c.only1("memory", "memory.kernelTCP", "TCP buffers count towards memory.limit there")
	}
	if setSwappiness(m) {
		c.only1("memory", "memory.swappiness", "set vm.swappiness for the host, or limit memory.swap")
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
		c.only1("memory", "memory.disableOOMKiller", "use linux.resources.unified memory.high to slow the container down instead")
	}
	if swap, ok := c.swap2(m); ok && c.version("memory", "memory.swap") == 2 {
		// If the kernel does not count swap, the file is missing; then no swap can be
		// used, and both 0 and "no limit" already apply.
		c.add(Value{Controller: "memory", V2: true, File: "memory.swap.max", Value: swap, Source: "memory.swap",
			Verify: VerifyBytes, Optional: swap == "max" || swap == "0"})
	}
	if set(m.Limit) && c.version("memory", "memory.limit") == 2 {
		v := Value{Controller: "memory", V2: true, File: "memory.max", Value: orMax(*m.Limit), Source: "memory.limit", Verify: VerifyBytes}
		if m.CheckBeforeUpdate != nil && *m.CheckBeforeUpdate && *m.Limit > 0 {
			v.Ceiling = "memory.current" // v2 would kill processes rather than refuse
		}
		c.add(v)
	}
	if set(m.Reservation) && c.version("memory", "memory.reservation") == 2 {
		c.add(Value{Controller: "memory", V2: true, File: "memory.low", Value: orMax(*m.Reservation), Source: "memory.reservation", Verify: VerifyBytes})
	}
}

// swap2 converts memory+swap, as in config.json, to swap alone.
func (c *compiler) swap2(m *specs.LinuxMemory) (value string, ok bool) {
	switch {
	case !set(m.Swap) && set(m.Limit) && *m.Limit == -1:
		return "max", true // as in v1: no limit for memory means none for both
	case !set(m.Swap):
		return "", false
	case *m.Swap == -1:
		return "max", true
	case !set(m.Limit) || *m.Limit == -1:
		c.fail("memory.swap", "%d counts memory and swap together, so cgroup v2 needs linux.resources.memory.limit to separate them", *m.Swap)
		return "", false
	}
	return itoa(*m.Swap - *m.Limit), true
}

// setSwappiness reports whether a swappiness is given. Engines write their -1 for "not
// set" into an unsigned field.
func setSwappiness(m *specs.LinuxMemory) bool {
	return m.Swappiness != nil && *m.Swappiness != math.MaxUint64
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
