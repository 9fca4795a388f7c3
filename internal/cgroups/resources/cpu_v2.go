package resources

import (
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// cpuV2 writes the files of cgroup-v2.rst, "CPU". It is also used for a host without a
// cpu controller: version then fails on the first setting that needs one.
func (c *compiler) cpuV2(p *specs.LinuxCPU) {
	// cpu.idle: Linux 5.15. An idle cgroup ignores its weight, so leave idle before
	// setting it, and enter it after. On an older kernel a cgroup is never idle.
	if p.Idle != nil && *p.Idle == 0 && c.h.HasV2("cpu") {
		c.addV2("cpu.idle", "0", "cpu.idle").Optional = true
	}
	// cpu.weight, cpu.max: Linux 4.15.
	if isSet(p.Shares) && c.version("cpu", "cpu.shares") == 2 {
		c.addV2("cpu.weight", formatNumber(sharesToWeight(*p.Shares)), "cpu.shares")
	}
	if isSet(p.Idle) && c.version("cpu", "cpu.idle") == 2 {
		c.addV2("cpu.idle", formatNumber(*p.Idle), "cpu.idle")
	}
	c.bandwidthV2(p)
	const instead = "its cpu controller does not limit realtime processes"
	if isSet(p.RealtimePeriod) {
		c.failV2("cpu", "cpu.realtimePeriod", instead)
	}
	if isSet(p.RealtimeRuntime) {
		c.failV2("cpu", "cpu.realtimeRuntime", instead)
	}
}

// bandwidthV2 writes cpu.max, which contains quota and period, and cpu.max.burst (Linux
// 5.14). A quota below the old burst may be refused until the burst is set.
func (c *compiler) bandwidthV2(p *specs.LinuxCPU) {
	quota, period, burst := isSet(p.Quota), isSet(p.Period), isSet(p.Burst)
	if quota && c.version("cpu", "cpu.quota") == 0 ||
		period && c.version("cpu", "cpu.period") == 0 ||
		burst && c.version("cpu", "cpu.burst") == 0 {
		return
	}
	if quota || period {
		value, source := "max", "cpu.period"
		if quota {
			value, source = formatLimit(*p.Quota), "cpu.quota"
		}
		if period {
			value += " " + formatNumber(*p.Period)
		}
		v := c.addV2("cpu.max", value, source)
		v.Verify, v.SwapNext = VerifyPrefix, burst
	}
	if burst {
		c.addV2("cpu.max.burst", formatNumber(*p.Burst), "cpu.burst")
	}
}

// sharesToWeight converts cpu.shares (2…262144, default 1024) to v2's cpu.weight
// (1…10000, default 100) by a curve through the three pairs (2,1), (1024,100) and
// (262144,10000):  weight = 10^((l² + 125·l)/612 − 7/34),  l = log2(shares). The
// straight line that older runtimes use (crun 1.8, runc 1.1) maps the default 1024 to
// 39, so a container got less CPU time than any process outside.
func sharesToWeight(shares uint64) uint64 {
	l := math.Log2(float64(shares))
	w := math.Pow(10, (l*l+125*l)/612-7.0/34)
	return min(max(uint64(math.Ceil(w-1e-9)), 1), 10000)
}
