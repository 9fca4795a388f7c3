// Package cgroups converts linux.cgroupsPath and linux.resources of config.json to
// directories and files of the kernel's cgroup filesystems, and removes them again.
//
//	cgroupsPath ──Path, Host.Group (pure)──▶ Group ──Create──▶ mkdir
//	resources ──Compile (pure)──▶ []Value ──Group.Apply──▶ write, read back
//	                                           │
//	       Tasks (v1: a step of the plan) and Dir (v2: CLONE_INTO_CGROUP)
//	                                           │
//	   ApplyLate ── Freeze, Thaw, Kill, Procs, AllProcs, State ── Delete
//	                Update, Stats, WatchOOM
//
// A start consists of: Detect, Path, Group; record Paths; Create; Apply; the new
// process; ApplyLate. After any error from Create on, Delete.
//
// # Entering a cgroup without waiting
//
// Writing another process's ID to cgroup.procs takes a kernel-wide lock, and the first
// writer waits for an RCU grace period: 8 to 12 ms on Linux 6.18 with nine v1
// hierarchies, all of it in the first write, 15 µs for each later one; writing in
// parallel is no better (11 ms), since all wait for the same lock. Two ways avoid it,
// 0.1 to 0.2 ms together:
//   - v1: a process that writes "0" to `tasks` moves only itself. The plan of a
//     container has a step for each file of [Group.Tasks].
//   - v2: clone3 with CLONE_INTO_CGROUP and the descriptor of [Group.Dir].
//
// [Group.Add] is for existing processes. For the default config.json on nine v1
// hierarchies and a v2 tree, medians in a warm process on a busy machine: Create 190
// µs, Apply 34 µs, Delete 150 µs.
//
// # How github.com/containerd/cgroups/v3 is used
//
// Each linked package costs time at every start of the runtime. Medians of 300
// interleaved starts, compared with a program with specs-go and encoding/json: the
// library's root package 0.0 ms (12 more page faults), cgroup1/stats +0.5 ms (61),
// cgroup2/stats +0.45 ms (71), cgroup1 +0.7 ms (94), cgroup2 +0.9 ms (101): protobuf,
// dbus, net and ebpf. So:
//   - this package uses the root package: [lib.Mode] for the kind of host. Its
//     reader of /proc/self/cgroup uses package os, whose poller costs more than
//     the reading, so it only serves as the oracle of a test;
//   - tests use the managers, cgroup1 and cgroup2: they compare this package's
//     statistics, freezer and process lists with the managers'.
//
// The managers are not used to create, limit and delete cgroups: their resource
// conversion drops `unified`, cpu idle and burst, a quota without a period and device
// rules, and subtracts from a swap of -1; nothing is read back; Delete refuses a group
// with processes; and AddProc is the slow way above. Their device programs are not
// used either, see devices_bpf.go.
//
// [lib.Mode]: https://pkg.go.dev/github.com/containerd/cgroups/v3#Mode
package cgroups
