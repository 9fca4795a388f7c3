// Package cgroups turns linux.cgroupsPath and linux.resources of config.json
// into directories and files of the kernel's cgroup filesystems, and takes
// them away again.
//
//	config.json ──Compile (pure)──▶ []Value ──Group.Apply──▶ write, read back
//	cgroupsPath ──Path, Host.Group (pure)──▶ Group ──Create──▶ mkdir
//	                                           │
//	      Inside + Dir (fork straight into it) or Add (move a process)
//	      Freeze, Thaw, Kill, Procs, AllProcs, State, Mounts, Delete
//
// # Entering a cgroup without waiting
//
// Writing a process ID to cgroup.procs takes a kernel-wide lock that first
// waits for an RCU grace period: 8 to 12 ms measured on Linux 6.18 with nine
// v1 hierarchies, all of it in the first write (the later ones take 15 µs).
// Two ways avoid the lock, and together they took 0.19 ms:
//   - v1: a thread that writes "0" to `tasks` moves only itself, and its
//     children are born where it is. [Group.Inside] runs a function on such a
//     thread and lets the thread end afterwards.
//   - v2: clone3 with CLONE_INTO_CGROUP and the descriptor of [Group.Dir].
//
// [Group.Add] is for processes that exist already.
//
// # What github.com/containerd/cgroups/v3 is used for
//
// Each package linked is paid for at every start of the runtime. Measured
// (300 interleaved starts, over a program with specs-go and encoding/json):
// cgroups ±0.0 ms, cgroup1/stats +0.5 ms, cgroup2/stats +0.45 ms,
// cgroup1 +0.7 ms, cgroup2 +0.9 ms (protobuf, dbus, ebpf and net in their
// initialisation and 60 to 100 more page faults). So this package uses the
// root package, for the kind of host ([cgroups.Mode]) and for
// /proc/self/cgroup ([cgroups.ParseCgroupFileUnified]), and the managers with
// their metrics are used by the sub-package metrics, which the runtime's
// start-up path must not import; this package's tests use them as an oracle.
// The library's resource conversion is not used: it drops `unified`, cpu idle
// and burst, a quota without a period, and device rules, and subtracts from a
// swap of -1. Its device programs are not used either: see devices_bpf.go.
//
// [cgroups.Mode]: https://pkg.go.dev/github.com/containerd/cgroups/v3#Mode
// [cgroups.ParseCgroupFileUnified]: https://pkg.go.dev/github.com/containerd/cgroups/v3#ParseCgroupFileUnified
package cgroups
