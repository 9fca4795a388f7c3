package resources

import (
	"maps"
	"slices"
	"strings"
)

// unified writes the entries of linux.resources.unified to the files of the v2 tree. The
// kernel accepts one line per write.
func (c *compiler) unified(files map[string]string) {
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !c.checkUnified(file) {
			return
		}
		for line := range strings.SplitSeq(strings.TrimRight(files[file], "\n"), "\n") {
			v := c.addV2(file, line, "unified."+file)
			if v.Controller == "cgroup" {
				v.Controller = "" // cgroup.max.depth and others belong to no controller
			}
			v.Verify, v.Late = unifiedVerify(file), file == "pids.max"
		}
	}
}

// checkUnified fails unless a file can be a limit in the host's v2 tree.
func (c *compiler) checkUnified(file string) bool {
	source := "unified." + file
	controller, _, isFile := strings.Cut(file, ".")
	switch {
	case c.h.V2 == nil:
		c.fail(source, "this host has cgroup v1 only, and unified names files of cgroup v2")
	case !isFile || controller == "" || strings.ContainsAny(file, "/\x00\n"):
		c.fail(source, "%q is not the name of a file in a cgroup", file)
	case slices.Contains([]string{"cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze"}, file):
		c.fail(source, "acts on processes rather than setting a limit, and the runtime needs it\n"+
			"hint: use kill, pause or exec")
	case controller != "cgroup" && !c.h.HasV2(controller):
		c.fail(source, "controller %s is not in %s/cgroup.controllers", controller, c.h.V2.Mount)
	default:
		return true
	}
	return false
}

// unifiedVerify returns how to verify a file: those with a known format are compared;
// for others only the write itself has to succeed.
func unifiedVerify(file string) Verify {
	switch file {
	case "memory.max", "memory.high", "memory.low", "memory.min",
		"memory.swap.max", "memory.swap.high", "memory.zswap.max":
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
