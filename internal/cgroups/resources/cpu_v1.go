package resources

import specs "github.com/opencontainers/runtime-spec/specs-go"

// The kernel's bounds of cpu.shares; it would clamp silently.
const minShares, maxShares = 2, 262144

// cpu compiles linux.resources.cpu.
func (c *compiler) cpu(p *specs.LinuxCPU) {
	c.checkCPU(p)
	if c.h.HasV1("cpu") {
		c.cpuV1(p)
	} else {
		c.cpuV2(p)
	}
	c.cpuset(p)
}

func (c *compiler) checkCPU(p *specs.LinuxCPU) {
	if isSet(p.Shares) && (*p.Shares < minShares || *p.Shares > maxShares) {
		c.fail("cpu.shares", "%d is out of range: %d to %d", *p.Shares, minShares, maxShares)
	}
	if p.Idle != nil && *p.Idle != 0 && *p.Idle != 1 {
		c.fail("cpu.idle", "%d is neither 0 nor 1", *p.Idle)
	}
	if isSet(p.Burst) && isSet(p.Quota) && *p.Quota > 0 && *p.Burst > uint64(*p.Quota) {
		c.fail("cpu.burst", "%d is more than linux.resources.cpu.quota, %d, which the specification forbids",
			*p.Burst, *p.Quota)
	}
}

// cpuV1 writes the files of scheduler/sched-design-CFS.rst, sched-bwc.rst and
// sched-rt-group.rst. Period, quota and burst may each be refused until the next is set (a
// period that is too short for the old quota's share of the parent's, a quota below the
// old burst), hence SwapNext.
func (c *compiler) cpuV1(p *specs.LinuxCPU) {
	// cpu.idle: Linux 5.15. An idle cgroup ignores shares, so leave idle before setting
	// them, and enter it after. On an older kernel a cgroup is never idle.
	if p.Idle != nil && *p.Idle == 0 {
		c.addV1("cpu.idle", "0", "cpu.idle").Optional = true
	}
	// cpu.shares: Linux 2.6.24.
	if isSet(p.Shares) {
		c.addV1("cpu.shares", formatNumber(*p.Shares), "cpu.shares")
	}
	if isSet(p.Idle) {
		c.addV1("cpu.idle", formatNumber(*p.Idle), "cpu.idle")
	}
	// cpu.cfs_period_us, cpu.cfs_quota_us: Linux 3.2; cpu.cfs_burst_us: 5.14.
	if isSet(p.Period) {
		c.addV1("cpu.cfs_period_us", formatNumber(*p.Period), "cpu.period").SwapNext = isSet(p.Quota)
	}
	if isSet(p.Quota) {
		c.addV1("cpu.cfs_quota_us", formatNumber(max(*p.Quota, -1)), "cpu.quota").SwapNext = isSet(p.Burst)
	}
	if isSet(p.Burst) {
		c.addV1("cpu.cfs_burst_us", formatNumber(*p.Burst), "cpu.burst")
	}
	// cpu.rt_period_us, cpu.rt_runtime_us: Linux 2.6.25.
	if isSet(p.RealtimePeriod) {
		c.addV1("cpu.rt_period_us", formatNumber(*p.RealtimePeriod), "cpu.realtimePeriod").SwapNext = isSet(p.RealtimeRuntime)
	}
	if isSet(p.RealtimeRuntime) {
		c.addV1("cpu.rt_runtime_us", formatNumber(*p.RealtimeRuntime), "cpu.realtimeRuntime")
	}
}
