package spectest

// Rich is a valid config.json that uses every field the specification has for Linux.
// It is only for reading: no machine can provide everything that it requests.
func Rich() []byte { return []byte(rich) }

const rich = `{
	"ociVersion": "1.3.0",
	"process": {
		"terminal": true,
		"consoleSize": {"height": 25, "width": 80},
		"user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5, 6]},
		"args": ["sh", "-c", "exit"],
		"env": ["PATH=/bin", "EMPTY="],
		"cwd": "/root",
		"capabilities": {
			"bounding": ["CAP_KILL", "CAP_CHOWN"],
			"effective": ["CAP_KILL"],
			"inheritable": ["CAP_KILL"],
			"permitted": ["CAP_KILL"],
			"ambient": ["CAP_KILL"]
		},
		"rlimits": [
			{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 512},
			{"type": "RLIMIT_CORE", "hard": 18446744073709551615, "soft": 0}
		],
		"noNewPrivileges": true,
		"apparmorProfile": "acme",
		"oomScoreAdj": 100,
		"scheduler": {
			"policy": "SCHED_DEADLINE", "nice": 5, "priority": 0,
			"flags": ["SCHED_FLAG_RESET_ON_FORK"],
			"runtime": 100000, "deadline": 200000, "period": 300000
		},
		"selinuxLabel": "system_u:system_r:container_t:s0:c124,c675",
		"ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
		"execCPUAffinity": {"initial": "7", "final": "0-3,7"}
	},
	"root": {"path": "rootfs", "readonly": true},
	"hostname": "slartibartfast",
	"domainname": "example.com",
	"mounts": [
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "tmpcopyup"]},
		{
			"destination": "/data", "type": "none", "source": "/srv/data", "options": ["rbind", "rro", "rslave", "ridmap"],
			"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
			"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}]
		}
	],
	"hooks": {
		"prestart": [{"path": "/bin/a", "args": ["a", "b"], "env": ["k=v"], "timeout": 5}],
		"createRuntime": [{"path": "/bin/b", "args": ["a"], "env": ["k=v"], "timeout": 5}],
		"createContainer": [{"path": "/bin/c", "args": ["a"], "env": ["k=v"], "timeout": 5}],
		"startContainer": [{"path": "/bin/d", "args": ["a"], "env": ["k=v"], "timeout": 5}],
		"poststart": [{"path": "/bin/e", "args": ["a"], "env": ["k=v"], "timeout": 5}],
		"poststop": [{"path": "/bin/f", "args": ["a"], "env": ["k=v"], "timeout": 5}]
	},
	"annotations": {
		"com.example.key": "value",
		"dev.minirun.layers": "[\"base\", \"app\"]",
		"dev.minirun.upper": "upper"
	},
	"linux": {
		"uidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}, {"containerID": 100, "hostID": 5000, "size": 10}],
		"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 100}],
		"sysctl": {"net.ipv4.ip_forward": "1", "kernel.sem": "1 2 3 4", "fs.mqueue.msg_max": "100", "user.max_user_namespaces": "100"},
		"resources": {
			"devices": [
				{"allow": false, "access": "rwm"},
				{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"}
			],
			"memory": {
				"limit": 536870912, "reservation": 268435456, "swap": 1073741824, "kernel": -1, "kernelTCP": -1,
				"swappiness": 60, "disableOOMKiller": false, "useHierarchy": true, "checkBeforeUpdate": true
			},
			"cpu": {
				"shares": 1024, "quota": 100000, "burst": 50000, "period": 100000,
				"realtimeRuntime": 950000, "realtimePeriod": 1000000, "cpus": "0-1,3", "mems": "0", "idle": 0
			},
			"pids": {"limit": 100},
			"blockIO": {
				"weight": 100, "leafWeight": 100,
				"weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
				"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
				"throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
				"throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 600}],
				"throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 600}]
			},
			"hugepageLimits": [{"pageSize": "2MB", "limit": 209715200}, {"pageSize": "64KB", "limit": 0}],
			"network": {
				"classID": 1048577,
				"priorities": [{"name": "eth0", "priority": 500}, {"name": "eth1", "priority": 1000}]
			},
			"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
			"unified": {"io.max": "259:0 rbps=2097152 wiops=120", "memory.high": "1000000"}
		},
		"cgroupsPath": "/minirun/rich",
		"namespaces": [
			{"type": "pid"},
			{"type": "network", "path": "/run/netns/a"},
			{"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "user"}, {"type": "cgroup"}, {"type": "time"}
		],
		"devices": [
			{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 5},
			{"path": "/dev/pipe", "type": "p"}
		],
		"netDevices": {"eth0": {"name": "container0"}, "eth1": {"name": "c%d"}, "eth2": {}},
		"seccomp": {
			"defaultAction": "SCMP_ACT_ERRNO",
			"defaultErrnoRet": 38,
			"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
			"flags": ["SECCOMP_FILTER_FLAG_LOG"],
			"listenerPath": "/run/agent.sock",
			"listenerMetadata": "data",
			"syscalls": [
				{
					"names": ["getcwd", "chmod"], "action": "SCMP_ACT_TRACE", "errnoRet": 1,
					"args": [{"index": 1, "value": 2080505856, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}]
				},
				{"names": ["mknod"], "action": "SCMP_ACT_NOTIFY"}
			]
		},
		"rootfsPropagation": "slave",
		"maskedPaths": ["/proc/kcore"],
		"readonlyPaths": ["/proc/sys"],
		"mountLabel": "system_u:object_r:container_file_t:s0:c715,c811",
		"intelRdt": {
			"closID": "group", "schemata": ["L2:0=f"], "l3CacheSchema": "L3:0=7f0",
			"memBwSchema": "MB:0=20", "enableMonitoring": true
		},
		"memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
		"personality": {"domain": "LINUX32", "flags": []},
		"timeOffsets": {"monotonic": {"secs": -5, "nanosecs": 7}, "boottime": {"secs": 604800, "nanosecs": 0}}
	}
}
`
