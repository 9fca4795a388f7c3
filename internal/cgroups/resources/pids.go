package resources

import specs "github.com/opencontainers/runtime-spec/specs-go"

// pids writes pids.max, which is the same in both versions (Linux 4.3, cgroup-v1/
// pids.rst; cgroup-v2.rst, "PID"). It is Late, because a limit of 1 would refuse the
// container's first process.
func (c *compiler) pids(p *specs.LinuxPids) {
	if p.Limit == nil {
		return
	}
	version := c.version("pids", "pids.limit")
	if version == 0 {
		return
	}
	// 0 is a limit: since version 1.3 of the specification "not set" is expressed by
	// omitting the field. The container already has one process, so no limit below 1 can
	// be met, and systemd refuses TasksMax=0.
	limit := *p.Limit
	if limit == 0 {
		limit = 1
	}
	v := c.addV1("pids.max", formatLimit(limit), "pids.limit")
	v.V2, v.Late = version == 2, true
}
