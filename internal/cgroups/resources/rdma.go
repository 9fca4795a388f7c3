package resources

import (
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// rdma writes rdma.max, a line for each device, which is the same in both versions
// (Linux 4.11, cgroup-v1/rdma.rst; cgroup-v2.rst, "RDMA").
func (c *compiler) rdma(devices map[string]specs.LinuxRdma) {
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		d, source := devices[name], "rdma."+name
		line := name
		if d.HcaHandles != nil {
			line += " hca_handle=" + formatNumber(*d.HcaHandles)
		}
		if d.HcaObjects != nil {
			line += " hca_object=" + formatNumber(*d.HcaObjects)
		}
		if line == name {
			c.fail(source, "has neither hcaHandles nor hcaObjects")
		}
		if name == "" || strings.ContainsAny(name, " \t\n/") {
			c.fail(source, "%q is not the name of a device", name)
		}
		if version := c.version("rdma", source); version != 0 {
			v := c.addV1("rdma.max", line, source)
			v.V2, v.Verify = version == 2, VerifyLine
		}
	}
}
