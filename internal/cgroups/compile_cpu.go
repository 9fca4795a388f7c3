// This file compiles linux.resources.cpu and pids. Kernel documents:
// scheduler/sched-bwc.rst, sched-rt-group.rst, admin-guide/cgroup-v1/cpusets.rst,
// admin-guide/cgroup-v2.rst "CPU", "Cpuset" and "PID".

package cgroups

import (
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The kernel's bounds of cpu.shares; it would clamp silently.
const minShares, maxShares = 2, 262144

func (c *compiler) cpu(p *specs.LinuxCPU) {
	if set(p.Shares) && (*p.Shares < minShares || *p.Shares > maxShares) {
		c.fail("cpu.shares", "%d is out of range: %d to %d", *p.Shares, minShares, maxShares)
	}
	if p.Idle != nil && *p.Idle != 0 && *p.Idle != 1 {
		c.fail("cpu.idle", "%d is neither 0 nor 1", *p.Idle)
	}
	if set(p.Burst) && set(p.Quota) && *p.Quota > 0 && *p.Burst > uint64(*p.Quota) {
		c.fail("cpu.burst", "%d is more than linux.resources.cpu.quota %d, which the specification forbids", *p.Burst, *p.Quota)
	}
	idle := func() {
		if p.Idle != nil && (*p.Idle == 1 || c.h.has("cpu") || c.h.v2("cpu")) {
			if v := c.version("cpu", "cpu.idle"); v != 0 {
				// A kernel before 5.15 has no such file, and a cgroup is never idle.
				c.add(Value{Controller: "cpu", V2: v == 2, File: "cpu.idle", Value: itoa(*p.Idle), Source: "cpu.idle", Optional: *p.Idle == 0})
			}
		}
	}
	// An idle cgroup ignores shares, so leave idle before setting them, and enter it
	// after.
	if p.Idle != nil && *p.Idle == 0 {
		idle()
	}
	if set(p.Shares) {
		switch c.version("cpu", "cpu.shares") {
		case 1:
			c.add(Value{Controller: "cpu", File: "cpu.shares", Value: itoa(*p.Shares), Source: "cpu.shares"})
		case 2:
			c.add(Value{Controller: "cpu", V2: true, File: "cpu.weight", Value: itoa(weight(*p.Shares)), Source: "cpu.shares"})
		}
	}
	if p.Idle != nil && *p.Idle == 1 {
		idle()
	}
	c.bandwidth(p)
	c.realtime(p)
	for _, f := range [2][2]string{{"cpus", p.Cpus}, {"mems", p.Mems}} {
		if f[1] == "" {
			continue
		}
		if v := c.version("cpuset", "cpu."+f[0]); v != 0 {
			if _, ok := parseList(f[1]); !ok {
				c.fail("cpu."+f[0], "%q is not a list like 0-3,7", f[1])
			}
			c.add(Value{Controller: "cpuset", V2: v == 2, File: "cpuset." + f[0], Value: f[1], Source: "cpu." + f[0], Verify: VerifyList})
		}
	}
}

// bandwidth writes period, quota and burst. Each may be refused until the next is set
// (a period that is too short for the old quota's share of the parent's, a quota below
// the old burst), hence SwapNext.
func (c *compiler) bandwidth(p *specs.LinuxCPU) {
	quota, period, burst := set(p.Quota), set(p.Period), set(p.Burst)
	for _, f := range []struct {
		name string
		on   bool
	}{{"quota", quota}, {"period", period}, {"burst", burst}} {
		if f.on && c.version("cpu", "cpu."+f.name) == 0 {
			return
		}
	}
	if c.h.has("cpu") {
		if period {
			c.add(Value{Controller: "cpu", File: "cpu.cfs_period_us", Value: itoa(*p.Period), Source: "cpu.period", SwapNext: quota})
		}
		if quota {
			c.add(Value{Controller: "cpu", File: "cpu.cfs_quota_us", Value: itoa(max(*p.Quota, -1)), Source: "cpu.quota", SwapNext: burst})
		}
		if burst {
			c.add(Value{Controller: "cpu", File: "cpu.cfs_burst_us", Value: itoa(*p.Burst), Source: "cpu.burst"})
		}
		return
	}
	if quota || period {
		value, source := "max", "cpu.period"
		if quota {
			value, source = orMax(*p.Quota), "cpu.quota"
		}
		if period {
			value += " " + itoa(*p.Period)
		}
		c.add(Value{Controller: "cpu", V2: true, File: "cpu.max", Value: value, Source: source, Verify: VerifyPrefix, SwapNext: burst})
	}
	if burst {
		c.add(Value{Controller: "cpu", V2: true, File: "cpu.max.burst", Value: itoa(*p.Burst), Source: "cpu.burst"})
	}
}

func (c *compiler) realtime(p *specs.LinuxCPU) {
	const instead = "its cpu controller does not govern realtime processes"
	if set(p.RealtimePeriod) && c.only1("cpu", "cpu.realtimePeriod", instead) {
		c.add(Value{Controller: "cpu", File: "cpu.rt_period_us", Value: itoa(*p.RealtimePeriod), Source: "cpu.realtimePeriod", SwapNext: set(p.RealtimeRuntime)})
	}
	if set(p.RealtimeRuntime) && c.only1("cpu", "cpu.realtimeRuntime", instead) {
		c.add(Value{Controller: "cpu", File: "cpu.rt_runtime_us", Value: itoa(*p.RealtimeRuntime), Source: "cpu.realtimeRuntime"})
	}
}

// weight converts cpu.shares (2…262144, default 1024) to v2's cpu.weight (1…10000,
// default 100) by a curve through the three pairs (2,1), (1024,100) and
// (262144,10000):  weight = 10^((l² + 125·l)/612 − 7/34),  l = log2(shares). The
// straight line that older runtimes use (crun 1.8, runc 1.1) maps the default 1024 to
// 39, so a container got less CPU time than any process outside.
func weight(shares uint64) uint64 {
	l := math.Log2(float64(shares))
	w := math.Pow(10, (l*l+125*l)/612-7.0/34)
	return min(max(uint64(math.Ceil(w-1e-9)), 1), 10000)
}

// pids is Late, because a limit of 1 would refuse the container's first process.
func (c *compiler) pids(p *specs.LinuxPids) {
	if p.Limit == nil {
		return
	}
	if v := c.version("pids", "pids.limit"); v != 0 {
		// 0 is a limit: since version 1.3 of the specification "not set" is expressed
		// by omitting the field. The container already has one process, so no limit
		// below 1 can be met, and systemd refuses TasksMax=0.
		limit := *p.Limit
		if limit == 0 {
			limit = 1
		}
		c.add(Value{Controller: "pids", V2: v == 2, File: "pids.max", Value: orMax(limit), Source: "pids.limit", Late: true})
	}
}
