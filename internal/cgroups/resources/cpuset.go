package resources

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec"
)

// cpuset writes linux.resources.cpu.cpus and mems. The files have the same names in both
// versions: v1 since Linux 2.6.24 (cgroup-v1/cpusets.rst), v2 since 5.0 (cgroup-v2.rst,
// "Cpuset").
func (c *compiler) cpuset(p *specs.LinuxCPU) {
	for _, f := range [2]struct{ name, list string }{{"cpus", p.Cpus}, {"mems", p.Mems}} {
		if f.list == "" {
			continue
		}
		version := c.version("cpuset", "cpu."+f.name)
		if version == 0 {
			continue
		}
		if _, ok := spec.ParseList(f.list); !ok {
			c.fail("cpu."+f.name, "%q is not a list like 0-3,7", f.list)
		}
		v := c.addV1("cpuset."+f.name, f.list, "cpu."+f.name)
		v.V2, v.Verify = version == 2, VerifyList
	}
}
