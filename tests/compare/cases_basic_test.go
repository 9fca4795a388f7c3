// Cases: the default config, how a runtime handles its arguments and environment, annotations.
package compare

import specs "github.com/opencontainers/runtime-spec/specs-go"

var defaultMasked = []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi", "/sys/firmware"}
var defaultReadOnly = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/", "/tmp", "/dev", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"}

var basicCases = []testCase{
	{
		name: "default",
		ask: ask{
			Masked: defaultMasked, ReadOnly: defaultReadOnly,
			Sysctls: []string{"kernel.hostname", "kernel.domainname", "net.ipv4.ip_forward", "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "kernel.msgmax", "fs.mqueue.msg_max"},
		},
		run: runOptions{state: true},
		want: map[string]string{
			"exit": "0", "in.fd.open": "0 1 2", "in.process.is1": "true", "in.ns.pid": "own", "in.ns.net": "own", "in.ns.cgroup": "host", "in.net.lo": "flags 0x49",
			"in.readonly./": "EROFS", "in.readonly./proc/sys": "E*", "in.status.SigBlk": "0000000000000000", "in.status.SigIgn": "0000000000000000",
			"state.status": "running", "state.pid": "the container's first process", "left.cgroups": "", "left.state": "", "left.mounts": "",
		},
	},
	{name: "detach", run: runOptions{detach: true, state: true}, want: map[string]string{"container.exit": "0", "exit": "0", "out.parent": "the harness*", "left.state": "$ID"}},
	{name: "no-pivot", run: runOptions{flags: []string{"--no-pivot"}}, ask: ask{ReadOnly: []string{"/", "/tmp"}}, want: map[string]string{"in.root.dotdot": "true"}},
	{name: "no-new-keyring", run: runOptions{flags: []string{"--no-new-keyring"}}},
	{
		name: "odd-surroundings", // which settings of its caller a container inherits, and which it must not
		run: runOptions{
			wrap: []string{"sh", "-c", `umask 077; trap '' HUP PIPE USR1 CHLD; ulimit -c 4096; ulimit -s 4096; exec nice -n 3 setpriv --groups 1234,5678 "$@"`, "sh"},
			env:  []string{"LEAKED=1", "NOTIFY_SOCKET=", "LISTEN_PID=1"}, extraFDs: 2,
		},
		want: map[string]string{"in.env.LEAKED": absent, "in.fd.open": "0 1 2", "in.umask": "0022"},
	},
	{
		name: "extra-descriptors-not-passed", run: runOptions{extraFDs: 3},
		want: map[string]string{"in.fd.open": "0 1 2"},
	},
	{
		name: "preserve-fds", run: runOptions{preserveFDs: 2},
		want: map[string]string{"in.fd.open": "0 1 2 3 4", "in.fd.3.target": "$BUNDLE/extra-0"},
	},
	{
		name: "preserve-fds-fewer-than-open", run: runOptions{preserveFDs: 1, extraFDs: 2},
		want: map[string]string{"in.fd.open": "0 1 2 3"},
	},
	{
		name: "listen-fds", run: runOptions{extraFDs: 2, env: []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=a:b"}},
	},
	{
		name: "annotations", run: runOptions{state: true},
		set: func(b *bundle) {
			b.spec.Annotations = map[string]string{"org.example.key": "value", "run.oci.unknown": "x", "empty": ""}
		},
		want: map[string]string{"state.annotations": "map[empty: org.example.key:value run.oci.unknown:x]"},
	},
	{
		name: "no-hostname", set: func(b *bundle) { b.spec.Hostname = "" },
	},
	{
		name: "hostname", set: func(b *bundle) { b.spec.Hostname = "box.example" }, want: map[string]string{"in.uts.nodename": "box.example"},
	},
	{
		name: "domainname", crunToo: true,
		set:  func(b *bundle) { b.spec.Domainname = "example.org" },
		want: map[string]string{"in.uts.domainname": "example.org"},
	},
	{
		name: "sysctl",
		set: func(b *bundle) {
			b.spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096", "net.ipv4.ip_unprivileged_port_start": "80", "fs.mqueue.msg_max": "20", "kernel.shm_rmid_forced": "1"}
		},
		ask:  ask{Sysctls: []string{"net.ipv4.ip_forward", "kernel.msgmax", "net.ipv4.ip_unprivileged_port_start", "fs.mqueue.msg_max", "kernel.shm_rmid_forced"}},
		want: map[string]string{"in.sysctl.net.ipv4.ip_forward": "1 ok", "in.sysctl.kernel.msgmax": "4096 ok", "in.sysctl.fs.mqueue.msg_max": "20 ok"},
	},
	{
		name: "sysctl-slashes", // with slashes as separators, a dot may be part of a name
		set:  func(b *bundle) { b.spec.Linux.Sysctl = map[string]string{"net/ipv4/conf/lo/forwarding": "1"} },
		ask:  ask{Sysctls: []string{"net.ipv4.conf.lo.forwarding"}},
	},
	{
		name: "sysctl-user",
		set: func(b *bundle) {
			b.userns()
			b.spec.Linux.Sysctl = map[string]string{"user.max_inotify_instances": "77", "kernel.shmmni": "99"}
		},
		ask:  ask{Sysctls: []string{"user.max_inotify_instances", "kernel.shmmni"}},
		want: map[string]string{"in.sysctl.user.max_inotify_instances": "77 ok", "in.sysctl.kernel.shmmni": "99 ok"},
	},
	{
		name: "personality", crunToo: true,
		set: func(b *bundle) {
			b.spec.Linux.Personality = &specs.LinuxPersonality{Domain: specs.PerLinux32}
		},
		want: map[string]string{"in.personality": "0x8 errno 0", "in.uts.machine": "i686"},
	},
}
