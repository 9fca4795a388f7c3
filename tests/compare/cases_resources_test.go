// Cases: scheduling, cgroup paths and limits.
package compare

import (
	"fmt"
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var schedulingCases = []testCase{
	{
		name: "scheduler-batch",
		set: func(b *bundle) {
			b.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5}
		},
		want: map[string]string{"in.sched.policy": "3", "in.sched.nice": "5"},
	},
	{
		name:  "scheduler-fifo",
		needs: realtimeGroups,
		set: func(b *bundle) {
			realtime(b)
			b.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 3}
		},
		want: map[string]string{"in.sched.policy": "1", "in.sched.priority": "3"},
	},
	{
		name: "scheduler-idle-reset-on-fork",
		set: func(b *bundle) {
			b.spec.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedIdle, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
		},
		want: map[string]string{"in.sched.policy": "5", "in.sched.flags": "1"},
	},
	{
		name: "io-priority",
		set: func(b *bundle) {
			b.spec.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_BE, Priority: 6}
		},
		want: map[string]string{"in.ioprio": "class 2 level 6 errno 0"},
	},
	{
		name: "exec-cpu-affinity",
		set: func(b *bundle) {
			b.spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0", Final: "1"}
		},
		want: map[string]string{"in.affinity": "0 1"},
	},
	{
		name: "memory-policy",
		set: func(b *bundle) {
			b.spec.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolInterleave, Nodes: "0"}
		},
		want: map[string]string{"in.mempolicy": "mode 3 nodes 0x1 errno 0"},
	},
}

// realtimeGroups: with group scheduling a process may be real-time only in a cgroup that has
// real-time budget.
func realtimeGroups() string {
	if runtime := readOr("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"); runtime == "" || runtime == "0\n" {
		return "needs a cpu controller of version 1 with real-time group scheduling and time to give"
	}
	return ""
}

// realtime gives the container's cgroup, directly below the root's, a small real-time budget.
func realtime(b *bundle) {
	b.spec.Linux.CgroupsPath = "/" + box.tag + "-rt-" + b.id
	b.spec.Linux.Resources.CPU = &specs.LinuxCPU{RealtimePeriod: pointer(uint64(1000000)), RealtimeRuntime: pointer(int64(10000))}
}

// limits sets resources in addition to the default device rules.
func limits(set func(*specs.LinuxResources)) func(*bundle) {
	return func(b *bundle) { set(b.spec.Linux.Resources) }
}

const mib = 1 << 20

// warnsOf declares a warning that runc does not print.
func warnsOf(what string) []allowed {
	return []allowed{{field: "stderr.empty", want: "false", reason: "minirun warns of " + what + ", which runc takes silently"}}
}

var cgroupCases = []testCase{
	{name: "cgroups-path-absolute", set: func(b *bundle) { b.spec.Linux.CgroupsPath = fmt.Sprintf("/%s-abs/sub/%s", box.tag, b.id) }, want: map[string]string{"in.cgroup.memory": "/$TAG-abs/sub/$ID"}, allowed: nil},
	{name: "cgroups-path-relative", set: func(b *bundle) { b.spec.Linux.CgroupsPath = box.tag + "-rel/" + b.id }},
	{name: "cgroups-path-relative-dotdot", plain: true, set: func(b *bundle) {
		b.spec.Process.Args = []string{"true"}
		b.spec.Linux.CgroupsPath = "../../../" + box.tag + "-dot/" + b.id
	}},
	{name: "memory-limit", set: limits(func(r *specs.LinuxResources) {
		r.Memory = &specs.LinuxMemory{Limit: pointer(int64(64 * mib)), Reservation: pointer(int64(32 * mib))}
		if !onV2() {
			r.Memory.Swappiness = pointer(uint64(10))
		}
	}), want: map[string]string{"out.cgroup.memory.memory.limit_in_bytes": "67108864", "out.cgroup.memory.memory.soft_limit_in_bytes": "33554432", "out.cgroup.memory.memory.swappiness": "10"}},
	{name: "memory-swap", set: limits(func(r *specs.LinuxResources) {
		r.Memory = &specs.LinuxMemory{Limit: pointer(int64(64 * mib)), Swap: pointer(int64(128 * mib))}
	}), want: map[string]string{"out.cgroup.memory.memory.memsw.limit_in_bytes": "134217728"}},
	{name: "memory-swap-unlimited", set: limits(func(r *specs.LinuxResources) {
		r.Memory = &specs.LinuxMemory{Limit: pointer(int64(64 * mib)), Swap: pointer(int64(-1))}
	}), want: map[string]string{"out.cgroup.memory.memory.limit_in_bytes": "67108864", "out.cgroup.memory.memory.memsw.limit_in_bytes": "9223372036854771712"}},
	{name: "memory-unlimited", set: limits(func(r *specs.LinuxResources) { r.Memory = &specs.LinuxMemory{Limit: pointer(int64(-1))} })},
	{name: "memory-oom-kill-disabled", plain: onV2(), set: limits(func(r *specs.LinuxResources) {
		r.Memory = &specs.LinuxMemory{Limit: pointer(int64(64 * mib)), DisableOOMKiller: pointer(true)}
	}), want: map[string]string{"out.cgroup.memory.memory.oom_control": "oom_kill 0 ; oom_kill_disable 1*"}},
	{name: "memory-limit-too-small", plain: true, set: func(b *bundle) {
		b.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointer(int64(4096))}
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"left.cgroups": "", "left.state": ""}},
	{name: "cpu-shares-and-quota", set: limits(func(r *specs.LinuxResources) {
		r.CPU = &specs.LinuxCPU{Shares: pointer(uint64(512)), Quota: pointer(int64(50000)), Period: pointer(uint64(200000))}
	}), want: map[string]string{"out.cgroup.cpu.cpu.shares": "512", "out.cgroup.cpu.cpu.cfs_quota_us": "50000", "out.cgroup.cpu.cpu.cfs_period_us": "200000"}},
	{name: "cpu-quota-without-period", set: limits(func(r *specs.LinuxResources) { r.CPU = &specs.LinuxCPU{Quota: pointer(int64(40000))} }), want: map[string]string{"out.cgroup.cpu.cpu.cfs_quota_us": "40000"}},
	{name: "cpu-period-without-quota", set: limits(func(r *specs.LinuxResources) { r.CPU = &specs.LinuxCPU{Period: pointer(uint64(50000))} })},
	{name: "cpu-quota-unlimited", set: limits(func(r *specs.LinuxResources) { r.CPU = &specs.LinuxCPU{Quota: pointer(int64(-1))} })},
	{name: "cpu-burst", set: limits(func(r *specs.LinuxResources) {
		r.CPU = &specs.LinuxCPU{Quota: pointer(int64(50000)), Period: pointer(uint64(100000)), Burst: pointer(uint64(20000))}
	}), want: map[string]string{"out.cgroup.cpu.cpu.cfs_burst_us": "20000"}},
	{name: "cpu-idle", set: limits(func(r *specs.LinuxResources) { r.CPU = &specs.LinuxCPU{Idle: pointer(int64(1))} }), want: map[string]string{"out.cgroup.cpu.cpu.idle": "1"}},
	{name: "cpu-realtime", needs: realtimeGroups, set: realtime, want: map[string]string{"out.cgroup.cpu.cpu.rt_runtime_us": "10000"}},
	{name: "cpuset", set: limits(func(r *specs.LinuxResources) { r.CPU = &specs.LinuxCPU{Cpus: "1", Mems: "0"} }), want: map[string]string{"out.cgroup.cpuset.cpuset.cpus": "1", "in.affinity": "1"}},
	{name: "cpuset-bad", plain: true, set: func(b *bundle) {
		b.spec.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: "900"}
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": ""}},
	{name: "pids", set: limits(func(r *specs.LinuxResources) { r.Pids = &specs.LinuxPids{Limit: pointer(int64(77))} }), want: map[string]string{"out.cgroup.pids.pids.max": "77"}},
	{name: "pids-unlimited", set: limits(func(r *specs.LinuxResources) { r.Pids = &specs.LinuxPids{Limit: pointer(int64(-1))} }), want: map[string]string{"out.cgroup.pids.pids.max": "max"}},
	{name: "pids-below-minus-one", set: limits(func(r *specs.LinuxResources) { r.Pids = &specs.LinuxPids{Limit: pointer(int64(-2))} }), want: map[string]string{"out.cgroup.pids.pids.max": "max"}, allowed: warnsOf("a number below -1")},
	{name: "cpu-quota-below-minus-one", set: limits(func(r *specs.LinuxResources) { r.CPU = &specs.LinuxCPU{Quota: pointer(int64(-2))} }), want: map[string]string{"out.cgroup.cpu.cpu.cfs_quota_us": onV1("-1")}, notCrun: "it refuses -2", allowed: warnsOf("a number below -1")},
	{name: "memory-not-set-in-old-words", set: limits(func(r *specs.LinuxResources) {
		r.Memory = &specs.LinuxMemory{Kernel: pointer(int64(64 * mib)), UseHierarchy: pointer(false), Swappiness: pointer(uint64(math.MaxUint64))}
	}), want: map[string]string{"out.cgroup.memory.memory.swappiness": onV1("60")}, notCrun: "it writes use_hierarchy, which the kernel refuses"},
	{name: "device-rule-with-other-letters", set: limits(func(r *specs.LinuxResources) {
		r.Devices = append(r.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: pointer(int64(1)), Minor: pointer(int64(11)), Access: "rwa"})
	}), want: map[string]string{"out.cgroup.devices.devices.list": onV1("*c 1:11 rw *")}, notCrun: "it refuses the letter", allowed: warnsOf("the letter")},
	{name: "device-rule-beyond-device-numbers", set: limits(func(r *specs.LinuxResources) {
		r.Devices = append(r.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: pointer(int64(5000)), Minor: pointer(int64(2000000)), Access: "r"})
	}), want: map[string]string{"out.cgroup.devices.devices.list": onV1("*c 5000:2000000 r*")}},
	{name: "block-io-throttle", set: limits(func(r *specs.LinuxResources) {
		throttle := specs.LinuxThrottleDevice{Rate: 1 << 20}
		throttle.Major, throttle.Minor = rootDisk()
		r.BlockIO = &specs.LinuxBlockIO{ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{throttle}, ThrottleWriteIOPSDevice: []specs.LinuxThrottleDevice{throttle}}
	}), needs: func() string {
		if major, _ := rootDisk(); major == 0 {
			return "needs a block device in /sys/block"
		}
		return ""
	}, want: map[string]string{"out.cgroup.blkio.blkio.throttle.read_bps_device": "*1048576"}},
	{name: "block-io-weight", plain: true, set: func(b *bundle) {
		b.spec.Linux.Resources.BlockIO = &specs.LinuxBlockIO{Weight: pointer(uint16(300))}
		b.spec.Process.Args = []string{"true"}
	}},
	{name: "limits-all-together", set: limits(func(r *specs.LinuxResources) {
		r.Memory = &specs.LinuxMemory{Limit: pointer(int64(128 * mib)), Swap: pointer(int64(128 * mib))}
		r.CPU = &specs.LinuxCPU{Shares: pointer(uint64(100)), Quota: pointer(int64(20000)), Period: pointer(uint64(100000)), Cpus: "0-1"}
		r.Pids = &specs.LinuxPids{Limit: pointer(int64(100))}
	})},
	{name: "limits-in-user-namespace", set: func(b *bundle) {
		b.userns()
		b.spec.Linux.Resources.Pids = &specs.LinuxPids{Limit: pointer(int64(50))}
		b.spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: pointer(int64(128 * mib))}
	}},
	{name: "hugepage-limit", plain: true, set: func(b *bundle) { // the controller is not mounted as version 1 here
		b.spec.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 4 << 20}}
		b.spec.Process.Args = []string{"true"}
	}},
	{name: "network-class", plain: true, set: func(b *bundle) { // nor is this one
		b.spec.Linux.Resources.Network = &specs.LinuxNetwork{ClassID: pointer(uint32(0x100001))}
		b.spec.Process.Args = []string{"true"}
	}},
}

// rootDisk returns a block device that supports a throttle.
func rootDisk() (major, minor int64) {
	fmt.Sscanf(readOr("/sys/block/vda/dev"), "%d:%d", &major, &minor)
	return major, minor
}
