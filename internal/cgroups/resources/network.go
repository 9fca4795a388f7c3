package resources

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// network writes net_cls.classid (Linux 2.6.29, cgroup-v1/net_cls.rst) and
// net_prio.ifpriomap (3.3, net_prio.rst). v2 has neither.
func (c *compiler) network(n *specs.LinuxNetwork) {
	// A class of 0 means none, which a host without net_cls has already.
	if n.ClassID != nil && (*n.ClassID != 0 || c.h.HasV1("net_cls")) && c.hasNetwork("net_cls", "network.classID") {
		c.addV1("net_cls.classid", formatNumber(*n.ClassID), "network.classID")
	}
	for i, p := range n.Priorities {
		source := fmt.Sprintf("network.priorities[%d]", i)
		if p.Name == "" || strings.ContainsAny(p.Name, " \t\n/") {
			c.fail(source+".name", "%q is not the name of a network interface", p.Name)
		}
		if c.hasNetwork("net_prio", source) {
			c.addV1("net_prio.ifpriomap", p.Name+" "+formatNumber(p.Priority), source).Verify = VerifyLine
		}
	}
}

// hasNetwork fails unless a v1 hierarchy has the controller.
func (c *compiler) hasNetwork(controller, source string) bool {
	if c.h.IsV2Only() {
		c.fail(source, "cgroup v2 has no %s\n"+
			"hint: filter by cgroup path (nftables socket cgroupv2), or attach a BPF program", controller)
		return false
	}
	return c.version(controller, source) == 1
}
