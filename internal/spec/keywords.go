package spec

// This file translates keywords of config.json to numbers of the kernel, except mount
// options (mountoptions.go). Everything is a switch or a constant table, so that
// linking the package has no cost at start-up.

import (
	"strings"

	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/capability"
)

// NamespaceFlag returns the CLONE_NEW* flag of a namespace type (namespaces(7)).
func NamespaceFlag(t specs.LinuxNamespaceType) (flag uintptr, ok bool) {
	switch t {
	case specs.PIDNamespace:
		return unix.CLONE_NEWPID, true
	case specs.NetworkNamespace:
		return unix.CLONE_NEWNET, true
	case specs.MountNamespace:
		return unix.CLONE_NEWNS, true
	case specs.IPCNamespace:
		return unix.CLONE_NEWIPC, true
	case specs.UTSNamespace:
		return unix.CLONE_NEWUTS, true
	case specs.UserNamespace:
		return unix.CLONE_NEWUSER, true
	case specs.CgroupNamespace:
		return unix.CLONE_NEWCGROUP, true
	case specs.TimeNamespace:
		return unix.CLONE_NEWTIME, true
	}
	return 0, false
}

// NamespaceNames lists the namespace types, sorted.
func NamespaceNames() []string {
	return []string{"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}
}

// HookNames lists the kinds of hooks, in the order in which they run.
func HookNames() []string {
	return []string{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"}
}

// rlimitNames is indexed by the number of the resource (getrlimit(2)), which is the
// same on every architecture that Go runs on except MIPS, which minirun does not
// support.
var rlimitNames = [...]string{
	unix.RLIMIT_CPU:        "RLIMIT_CPU",
	unix.RLIMIT_FSIZE:      "RLIMIT_FSIZE",
	unix.RLIMIT_DATA:       "RLIMIT_DATA",
	unix.RLIMIT_STACK:      "RLIMIT_STACK",
	unix.RLIMIT_CORE:       "RLIMIT_CORE",
	unix.RLIMIT_RSS:        "RLIMIT_RSS",
	unix.RLIMIT_NPROC:      "RLIMIT_NPROC",
	unix.RLIMIT_NOFILE:     "RLIMIT_NOFILE",
	unix.RLIMIT_MEMLOCK:    "RLIMIT_MEMLOCK",
	unix.RLIMIT_AS:         "RLIMIT_AS",
	unix.RLIMIT_LOCKS:      "RLIMIT_LOCKS",
	unix.RLIMIT_SIGPENDING: "RLIMIT_SIGPENDING",
	unix.RLIMIT_MSGQUEUE:   "RLIMIT_MSGQUEUE",
	unix.RLIMIT_NICE:       "RLIMIT_NICE",
	unix.RLIMIT_RTPRIO:     "RLIMIT_RTPRIO",
	unix.RLIMIT_RTTIME:     "RLIMIT_RTTIME",
}

// Rlimit returns the number of a resource limit such as RLIMIT_NOFILE (getrlimit(2)).
func Rlimit(name string) (resource int, ok bool) { return findName(rlimitNames[:], name) }

// Capability returns the number of a capability such as CAP_CHOWN (capabilities(7)).
// Whether the running kernel has it is a separate question: see cap_last_cap there.
func Capability(name string) (n int, ok bool) { return findName(capability.Names[:], name) }

// CapabilityName is the inverse of Capability. A number above the last known
// capability, which a newer kernel may have, becomes CAP_<n>.
func CapabilityName(n int) string {
	if n >= 0 && n < len(capability.Names) {
		return capability.Names[n]
	}
	return "CAP_" + strconv.Itoa(n)
}

// CapabilityNames lists the known capabilities, by number.
func CapabilityNames() []string { return append([]string(nil), capability.Names[:]...) }

// schedISO is reserved in linux/sched.h but no released kernel implements it, so x/sys
// does not have it. The specification lists the keyword; sched_setattr(2) returns
// EINVAL.
const schedISO = 4

// SchedulerPolicy returns the number of a scheduling policy (sched(7)).
func SchedulerPolicy(p specs.LinuxSchedulerPolicy) (policy int, ok bool) {
	switch p {
	case specs.SchedOther:
		return unix.SCHED_NORMAL, true
	case specs.SchedFIFO:
		return unix.SCHED_FIFO, true
	case specs.SchedRR:
		return unix.SCHED_RR, true
	case specs.SchedBatch:
		return unix.SCHED_BATCH, true
	case specs.SchedISO:
		return schedISO, true
	case specs.SchedIdle:
		return unix.SCHED_IDLE, true
	case specs.SchedDeadline:
		return unix.SCHED_DEADLINE, true
	}
	return 0, false
}

// SchedulerFlag returns one bit of sched_attr.sched_flags (sched_setattr(2)).
func SchedulerFlag(f specs.LinuxSchedulerFlag) (flag uint64, ok bool) {
	switch f {
	case specs.SchedFlagResetOnFork:
		return unix.SCHED_FLAG_RESET_ON_FORK, true
	case specs.SchedFlagReclaim:
		return unix.SCHED_FLAG_RECLAIM, true
	case specs.SchedFlagDLOverrun:
		return unix.SCHED_FLAG_DL_OVERRUN, true
	case specs.SchedFlagKeepPolicy:
		return unix.SCHED_FLAG_KEEP_POLICY, true
	case specs.SchedFlagKeepParams:
		return unix.SCHED_FLAG_KEEP_PARAMS, true
	case specs.SchedFlagUtilClampMin:
		return unix.SCHED_FLAG_UTIL_CLAMP_MIN, true
	case specs.SchedFlagUtilClampMax:
		return unix.SCHED_FLAG_UTIL_CLAMP_MAX, true
	}
	return 0, false
}

// IOPriorityClass returns the number of an I/O scheduling class. The argument of
// ioprio_set(2) is class<<13 | priority.
func IOPriorityClass(c specs.IOPriorityClass) (class int, ok bool) {
	switch c {
	case specs.IOPRIO_CLASS_RT:
		return 1, true
	case specs.IOPRIO_CLASS_BE:
		return 2, true
	case specs.IOPRIO_CLASS_IDLE:
		return 3, true
	}
	return 0, false
}

// Personality returns the argument of personality(2) for an execution domain.
func Personality(d specs.LinuxPersonalityDomain) (persona uintptr, ok bool) {
	switch d {
	case specs.PerLinux:
		return 0x0000, true // PER_LINUX
	case specs.PerLinux32:
		return 0x0008, true // PER_LINUX32
	}
	return 0, false
}

// Propagation returns the mount(2) flags of linux.rootfsPropagation: the keywords of
// mount(8), with r for all mounts below too. For "" the runtime decides: flags is 0.
func Propagation(s string) (flags uintptr, ok bool) {
	word, recursive := strings.CutPrefix(s, "r")
	if recursive {
		flags = unix.MS_REC
	}
	switch word {
	case "":
		return 0, s == ""
	case "shared":
		return flags | unix.MS_SHARED, true
	case "slave":
		return flags | unix.MS_SLAVE, true
	case "private":
		return flags | unix.MS_PRIVATE, true
	case "unbindable":
		return flags | unix.MS_UNBINDABLE, true
	}
	return 0, false
}

// MemoryPolicyMode returns the mode of set_mempolicy(2).
func MemoryPolicyMode(m specs.MemoryPolicyModeType) (mode int, ok bool) {
	switch m {
	case specs.MpolDefault:
		return unix.MPOL_DEFAULT, true
	case specs.MpolBind:
		return unix.MPOL_BIND, true
	case specs.MpolInterleave:
		return unix.MPOL_INTERLEAVE, true
	case specs.MpolWeightedInterleave:
		return unix.MPOL_WEIGHTED_INTERLEAVE, true
	case specs.MpolPreferred:
		return unix.MPOL_PREFERRED, true
	case specs.MpolPreferredMany:
		return unix.MPOL_PREFERRED_MANY, true
	case specs.MpolLocal:
		return unix.MPOL_LOCAL, true
	}
	return 0, false
}

// MemoryPolicyModes lists the known modes.
func MemoryPolicyModes() []string {
	return []string{string(specs.MpolDefault), string(specs.MpolBind), string(specs.MpolInterleave),
		string(specs.MpolWeightedInterleave),
		string(specs.MpolPreferred), string(specs.MpolPreferredMany), string(specs.MpolLocal)}
}

// MemoryPolicyFlags lists the known mode flags.
func MemoryPolicyFlags() []string {
	return []string{string(specs.MpolFNumaBalancing), string(specs.MpolFRelativeNodes), string(specs.MpolFStaticNodes)}
}

// MemoryPolicyFlag returns one mode flag of set_mempolicy(2), to be ORed with the
// mode.
func MemoryPolicyFlag(f specs.MemoryPolicyFlagType) (flag int, ok bool) {
	switch f {
	case specs.MpolFNumaBalancing:
		return unix.MPOL_F_NUMA_BALANCING, true
	case specs.MpolFRelativeNodes:
		return unix.MPOL_F_RELATIVE_NODES, true
	case specs.MpolFStaticNodes:
		return unix.MPOL_F_STATIC_NODES, true
	}
	return 0, false
}

// findName looks up a name in a table indexed by number.
func findName(table []string, name string) (int, bool) {
	for i, s := range table {
		if s == name && s != "" {
			return i, true
		}
	}
	return 0, false
}
