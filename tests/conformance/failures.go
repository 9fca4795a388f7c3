package main

const (
	leafWeight = "machine: the kernel has no blkio weights"
	noHugetlb  = "machine: no hugetlb controller of cgroup v1"
	noNet      = "machine: the kernel mounts no net_cls and net_prio"
	pids       = "suite: it compares the addresses of two limits, not the limits"
	kmem       = "machine: Linux 5.16 and later accept memory.kmem.limit_in_bytes but ignore it; minirun warns and does not set it"
)

// failures lists the programs that minirun is known to fail, with the reasons.
var failures = map[string]string{
	"delete":                         "suite: it expects delete to refuse a created container; runc and crun delete it, and engines depend on that",
	"delete_resources":               pids,
	"hooks":                          "suite: it expects prestart hooks in an order that is obsolete since createRuntime exists; runc and crun fail too",
	"linux_cgroups_blkio":            leafWeight,
	"linux_cgroups_relative_blkio":   leafWeight,
	"linux_cgroups_hugetlb":          noHugetlb,
	"linux_cgroups_relative_hugetlb": noHugetlb,
	"linux_cgroups_memory":           kmem,
	"linux_cgroups_relative_memory":  kmem,
	"linux_cgroups_network":          noNet,
	"linux_cgroups_relative_network": noNet,
	"linux_cgroups_pids":             pids,
	"linux_cgroups_relative_pids":    pids,
	"linux_process_apparmor_profile": "machine: the kernel has no AppArmor",
	"misc_props":                     "suite: it names a program that is not in the bundle; runc and crun fail too",
	"pidfile":                        "suite: it sends a signal to a container whose program exited; runc and crun refuse this too",
	"prestart":                       "suite: obsolete; it expects prestart hooks after start, where runc and crun run none",
	"process_capabilities":           "machine: CAP_SYS_RESOURCE is missing, and the program needs all capabilities",
	"process_capabilities_fail":      "suite: it expects an error for an unknown capability; runc and crun print a warning",
	"process_rlimits":                "suite: its checker is a Go program, whose runtime raises RLIMIT_NOFILE before the check",
	"start":                          "suite: it creates a container without a process; runc and crun refuse that",
}

const v1Only = "suite: it reads the files of cgroup v1 and reports that v2 is not supported yet"

// failuresOnV2 lists the programs that any runtime fails on a host with only cgroup v2.
var failuresOnV2 = map[string]string{
	"delete_only_create_resources":   v1Only,
	"linux_cgroups_cpus":             v1Only,
	"linux_cgroups_devices":          v1Only,
	"linux_cgroups_relative_cpus":    v1Only,
	"linux_cgroups_relative_devices": v1Only,
}
