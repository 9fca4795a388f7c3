// This file compiles linux.resources.hugepageLimits, network, rdma and unified. Kernel
// documents: admin-guide/cgroup-v1/{hugetlb,net_cls,net_prio,rdma}.rst,
// admin-guide/cgroup-v2.rst.

package cgroups

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// hugepages limits both usage and, where the kernel can (5.7 and later), reservations:
// the specification asks for the latter, but a reservation limit alone does not apply
// to memory mapped with MAP_NORESERVE.
func (c *compiler) hugepages(limits []specs.LinuxHugepageLimit) {
	for i, l := range limits {
		source := fmt.Sprintf("hugepageLimits[%d].pageSize", i)
		unit, ok := pageSize(l.Pagesize)
		if !ok {
			c.fail(source, "%q is not a page size like 64KB, 2MB or 1GB", l.Pagesize)
			continue
		}
		source = fmt.Sprintf("hugepageLimits[%d].limit", i)
		v := c.version("hugetlb", source)
		if v == 0 {
			return
		}
		suffix := "limit_in_bytes"
		if v == 2 {
			suffix = "max"
		}
		for _, kind := range [2]string{"", "rsvd."} {
			c.add(Value{Controller: "hugetlb", V2: v == 2, File: "hugetlb." + l.Pagesize + "." + kind + suffix,
				Value: itoa(l.Limit), Source: source, Verify: VerifyBytes, Unit: unit, Optional: kind != ""})
		}
	}
}

// pageSize parses "2MB". It is strict, because the size becomes part of a file name.
func pageSize(s string) (bytes uint64, ok bool) {
	digits := strings.TrimRight(s, "KMGB")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '0' || digits[0] == '+' {
		return 0, false
	}
	switch s[len(digits):] {
	case "KB":
		return n << 10, true
	case "MB":
		return n << 20, true
	case "GB":
		return n << 30, true
	}
	return 0, false
}

func (c *compiler) network(n *specs.LinuxNetwork) {
	const instead = "filter by cgroup path (nftables socket cgroupv2) or attach a BPF program"
	network := func(controller, source string) bool {
		if c.h.Mode == V2 {
			c.fail(source, "cgroup v2 has no %s: %s", controller, instead)
			return false
		}
		return c.version(controller, source) == 1
	}
	// A class of 0 means none, which a host without net_cls has already.
	if n.ClassID != nil && (*n.ClassID != 0 || c.h.has("net_cls")) && network("net_cls", "network.classID") {
		c.add(Value{Controller: "net_cls", File: "net_cls.classid", Value: itoa(*n.ClassID), Source: "network.classID"})
	}
	for i, p := range n.Priorities {
		source := fmt.Sprintf("network.priorities[%d]", i)
		if p.Name == "" || strings.ContainsAny(p.Name, " \t\n/") {
			c.fail(source+".name", "%q is not the name of a network interface", p.Name)
		}
		if network("net_prio", source) {
			c.add(Value{Controller: "net_prio", File: "net_prio.ifpriomap", Value: p.Name + " " + itoa(p.Priority), Source: source, Verify: VerifyLine})
		}
	}
}

func (c *compiler) rdma(devices map[string]specs.LinuxRdma) {
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		d, source := devices[name], "rdma."+name
		value := name
		if d.HcaHandles != nil {
			value += " hca_handle=" + itoa(*d.HcaHandles)
		}
		if d.HcaObjects != nil {
			value += " hca_object=" + itoa(*d.HcaObjects)
		}
		if value == name {
			c.fail(source, "has neither hcaHandles nor hcaObjects")
		}
		if name == "" || strings.ContainsAny(name, " \t\n/") {
			c.fail(source, "%q is not the name of a device", name)
		}
		if v := c.version("rdma", source); v != 0 {
			c.add(Value{Controller: "rdma", V2: v == 2, File: "rdma.max", Value: value, Source: source, Verify: VerifyLine})
		}
	}
}

// unified writes the entries of config.json to the files of the v2 tree, last, so that
// they override converted values. The kernel accepts one line per write.
func (c *compiler) unified(files map[string]string) {
	for _, file := range slices.Sorted(maps.Keys(files)) {
		source := "unified." + file
		if c.h.V2 == nil {
			c.fail(source, "this host has cgroup v1 only, and unified names files of cgroup v2")
			return
		}
		if file == "" || file[0] == '.' || strings.ContainsAny(file, "/\x00\n") || !strings.Contains(file, ".") {
			c.fail(source, "%q is not the name of a file in a cgroup", file)
			return
		}
		switch file {
		case "cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze":
			c.fail(source, "acts on processes rather than setting a limit, and the runtime needs it: use kill, pause or exec")
			return
		}
		controller, _, _ := strings.Cut(file, ".")
		if controller == "cgroup" {
			controller = ""
		} else if !c.h.v2(controller) {
			c.fail(source, "controller %s is not in %s/cgroup.controllers", controller, c.h.V2.Mount)
			return
		}
		for line := range strings.SplitSeq(strings.TrimRight(files[file], "\n"), "\n") {
			c.add(Value{Controller: controller, V2: true, File: file, Value: line, Source: source, Verify: unifiedVerify(file), Late: file == "pids.max"})
		}
	}
}

// unifiedVerify returns how to verify a file: those with a known format are compared;
// for others only the write itself has to succeed.
func unifiedVerify(file string) Verify {
	switch file {
	case "memory.max", "memory.high", "memory.low", "memory.min", "memory.swap.max", "memory.swap.high", "memory.zswap.max":
		return VerifyBytes
	case "cpu.max":
		return VerifyPrefix
	case "io.max", "rdma.max", "misc.max":
		return VerifyLine
	case "cpu.weight", "cpu.idle", "cpu.max.burst", "pids.max", "memory.oom.group":
		return VerifyText
	case "cpuset.cpus", "cpuset.mems":
		return VerifyList
	}
	return VerifyNone
}
