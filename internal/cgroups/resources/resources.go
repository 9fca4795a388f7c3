// Package resources converts linux.resources of config.json to files of a container's
// cgroup, writes them, and changes them while the container runs.
//
//	resources ──Compile (pure)──▶ []Value ──Apply──▶ write, read back
//
//	value.go     one write, and verify.go: how the file, read back, is compared
//	compile.go   all controllers in order; below it one file for each:
//	             memory_v1.go, memory_v2.go, cpu_v1.go, cpu_v2.go, cpuset.go, pids.go, blkio_v1.go,
//	             io_v2.go, hugetlb.go, network.go, rdma.go, unified.go, devices.go
//	apply.go     writes values and reads them back; hints.go explains what the kernel refuses
//	update.go    changes a running container; restore.go undoes a failed update
//
// Compile never looks at the machine, only at [host.Host]. So a file that the kernel
// lacks is only noticed when the value is written, and a file that has two names is listed
// under both (Value.Or). Each file of a controller says since which Linux its cgroup files
// exist; the documents it names are those of the kernel's Documentation/admin-guide.
//
// A zero means "not set" where the kernel has no use for it (memory limits, shares,
// quota, periods, weights), as in runc: engines fill such fields with 0.
//
// # Why not the managers of containerd/cgroups
//
// Their resource conversion drops `unified`, cpu idle and burst, a quota without a period
// and device rules, and subtracts from a swap of -1; nothing is read back. Linking them
// costs every start 0.7 to 0.9 ms (docs/decisions/0010-containerd-cgroups.md).
package resources
