// Package cgroups is the home of the packages that turn linux.cgroupsPath and
// linux.resources of config.json into directories and files of the kernel's cgroup file
// systems, and remove them again. It has no code, only the tests that need a kernel.
//
//	host       what the machine has: hierarchies, mount points, controllers
//	group      a container's directories: create, enter, freeze, kill, delete
//	resources  limits: linux.resources to values, and values to files
//	devices    which devices may be used: entries of the v1 controller, a BPF program for v2
//	stats      resource usage, out of memory
//	cgroupfs   reads and writes one file
//
//	resources, stats ──▶ group ──▶ host, cgroupfs
//	resources ──▶ devices
//
// A start calls, in this order:
//
//	h := host.Detect()
//	values := resources.Compile(h, spec.Linux.Resources)       pure
//	g := group.New(h, group.Path(spec.Linux.CgroupsPath, id))  pure
//	g.Paths()                                                  recorded in state.json
//	g.Create(); resources.Apply(g, values)
//	    the new process: g.Tasks() are steps of its plan, g.OpenV2() is for CLONE_INTO_CGROUP
//	resources.ApplyLate(g, values)
//
// After any error from Create on, it calls g.Delete.
package cgroups
