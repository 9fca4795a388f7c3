// Cases: each namespace left out, new, and joined by path; user namespaces and their mappings; time
// offsets.
package compare

import (
	"os/exec"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// without leaves out one namespace, and everything that is rejected without it.
func without(kind specs.LinuxNamespaceType) func(*bundle) {
	return func(b *bundle) {
		b.withoutNamespace(kind)
		if kind == specs.UTSNamespace {
			b.spec.Hostname = ""
		}
		if kind == specs.IPCNamespace { // mqueue shows the IPC namespace's queues: it can be mounted anyway
			b.dropMount("/dev/mqueue")
		}
	}
}

// joining creates a namespace in a holder and joins it.
func joining(kind specs.LinuxNamespaceType, flag uintptr, file string) func(*bundle) {
	return func(b *bundle) {
		p := b.holder(flag, 0, nil, file)
		b.namespace(kind, p.path(file))
		if kind == specs.UTSNamespace {
			b.spec.Hostname = ""
		}
	}
}

var namespaceCases = []testCase{
	{name: "without-pid", set: without(specs.PIDNamespace), want: map[string]string{"in.ns.pid": "host", "in.process.is1": "false"}},
	{name: "without-network", set: without(specs.NetworkNamespace), want: map[string]string{"in.ns.net": "host"}},
	{name: "without-ipc", set: without(specs.IPCNamespace), want: map[string]string{"in.ns.ipc": "host"}},
	{name: "without-uts", set: without(specs.UTSNamespace), want: map[string]string{"in.ns.uts": "host"}},
	{
		name: "new-cgroup", set: func(b *bundle) { b.namespace(specs.CgroupNamespace, "") },
		ask:  ask{ReadOnly: []string{"/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"}},
		want: map[string]string{"in.ns.cgroup": "own", "in.cgroup.memory": "/"},
	},
	{
		name: "only-mount",
		set: func(b *bundle) {
			b.spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
			b.spec.Hostname = ""
			b.dropMount("/dev/mqueue")
		},
		want: map[string]string{"in.ns.mnt": "own", "in.ns.ipc": "host", "in.ns.uts": "host"},
	},
	{
		name: "pid-not-first-in-list",
		set: func(b *bundle) {
			n := b.spec.Linux.Namespaces
			for i, j := 0, len(n)-1; i < j; i, j = i+1, j-1 {
				n[i], n[j] = n[j], n[i]
			}
		},
	},
	{
		name: "network-twice", plain: true, // the specification requires an error
		set: func(b *bundle) {
			b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
			b.spec.Process.Args = []string{"true"}
		},
		want: map[string]string{"stderr.empty": "false"},
	},
	{name: "join-network", set: joining(specs.NetworkNamespace, unix.CLONE_NEWNET, "net"), want: map[string]string{"in.ns.net": "joined net"}},
	{name: "join-ipc", set: joining(specs.IPCNamespace, unix.CLONE_NEWIPC, "ipc"), want: map[string]string{"in.ns.ipc": "joined ipc"}},
	{name: "join-uts", set: joining(specs.UTSNamespace, unix.CLONE_NEWUTS, "uts"), want: map[string]string{"in.ns.uts": "joined uts"}},
	{name: "join-pid", set: joining(specs.PIDNamespace, unix.CLONE_NEWPID, "pid"), want: map[string]string{"in.ns.pid": "joined pid"}},
	{name: "join-cgroup", set: joining(specs.CgroupNamespace, unix.CLONE_NEWCGROUP, "cgroup"), want: map[string]string{"in.ns.cgroup": "joined cgroup"}},
	{
		name: "join-several",
		set: func(b *bundle) {
			p := b.holder(unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS|unix.CLONE_NEWPID, 0, nil, "net", "ipc", "uts", "pid")
			b.namespace(specs.NetworkNamespace, p.path("net"))
			b.namespace(specs.IPCNamespace, p.path("ipc"))
			b.namespace(specs.UTSNamespace, p.path("uts"))
			b.namespace(specs.PIDNamespace, p.path("pid"))
			b.spec.Hostname = ""
		},
		want: map[string]string{"in.ns.net": "joined net", "in.ns.pid": "joined pid"},
	},
	{
		name: "join-ip-netns", // as created by `ip netns add`: a bind mount of the namespace file
		needs: func() string {
			if _, err := exec.LookPath("ip"); err != nil {
				return "needs ip(8): " + err.Error()
			}
			return ""
		},
		set: func(b *bundle) {
			name := box.tag + "ns"
			b.check(exec.Command("ip", "netns", "add", name).Run())
			b.cleanup(func() {
				exec.Command("ip", "netns", "del", name).Run()
				// ip turns /run/netns into a shared mount; it would stay until the sandbox is
				// removed, so unmount it here.
				unix.Unmount("/run/netns", unix.MNT_DETACH)
			})
			b.namespace(specs.NetworkNamespace, "/run/netns/"+name)
		},
		want: map[string]string{"in.net.interfaces": "lo", "exit": "0"},
	},
	{
		name: "join-missing-path", plain: true,
		set: func(b *bundle) {
			b.namespace(specs.NetworkNamespace, "/run/netns/there-is-none")
			b.spec.Process.Args = []string{"true"}
		},
		want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": ""},
	},
	{
		name: "join-wrong-kind", plain: true, // an IPC namespace where a network namespace is expected
		set: func(b *bundle) {
			p := b.holder(unix.CLONE_NEWIPC, 0, nil, "ipc")
			b.namespace(specs.NetworkNamespace, p.path("ipc"))
			b.spec.Process.Args = []string{"true"}
		},
		want: map[string]string{"stderr.empty": "false"},
	},
	{
		name: "new-user", set: func(b *bundle) { b.userns() }, ask: ask{Masked: defaultMasked, ReadOnly: defaultReadOnly},
		want: map[string]string{"in.ns.user": "own", "in.proc.uid_map": "0 100000 65536", "in.status.Uid": "0*"},
	},
	{
		name: "new-user-several-maps",
		set: func(b *bundle) {
			b.namespace(specs.UserNamespace, "")
			b.spec.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 1000, HostID: 0, Size: 1}, {ContainerID: 1001, HostID: 101001, Size: 60000}}
			b.spec.Linux.GIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 65536}}
			b.check(exec.Command("chown", "-hR", "100000:200000", b.root).Run())
		},
		want: map[string]string{"in.proc.uid_map": "0 100000 1000 1000 0 1 1001 101001 60000", "in.proc.gid_map": "0 200000 65536"},
	},
	{
		name: "new-user-nonroot",
		set: func(b *bundle) {
			b.userns()
			b.spec.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5, 2000}}
		},
		want: map[string]string{"in.uid": "1000 1000 1000"},
	},
	{
		name: "new-user-new-cgroup",
		set: func(b *bundle) {
			b.userns()
			b.namespace(specs.CgroupNamespace, "")
		},
	},
	{
		name: "new-user-no-maps", plain: true,
		set: func(b *bundle) {
			b.namespace(specs.UserNamespace, "")
			b.spec.Process.Args = []string{"true"}
		},
	},
	{
		name: "join-user",
		set: func(b *bundle) {
			maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
			p := b.holder(unix.CLONE_NEWUSER, 0, maps, "user")
			b.userns()
			b.namespace(specs.UserNamespace, p.path("user"))
			b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings = nil, nil
		},
		crunToo: true,
		want:    map[string]string{"in.ns.user": "joined user", "in.proc.uid_map": "0 100000 65536", "in.uid": "0 0 0"},
	},
	{
		name: "join-user-with-maps-given",
		set: func(b *bundle) {
			maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
			p := b.holder(unix.CLONE_NEWUSER, 0, maps, "user")
			b.userns()
			b.namespace(specs.UserNamespace, p.path("user"))
		},
		want: map[string]string{"in.ns.user": "joined user"},
	},
	{
		name: "join-user-and-its-network", // as for the second container of a pod
		set: func(b *bundle) {
			maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
			p := b.holder(unix.CLONE_NEWUSER|unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS, 0, maps, "user", "net", "ipc", "uts")
			b.userns()
			b.namespace(specs.UserNamespace, p.path("user"))
			b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings = nil, nil
			b.namespace(specs.NetworkNamespace, p.path("net"))
			b.namespace(specs.IPCNamespace, p.path("ipc"))
			b.namespace(specs.UTSNamespace, p.path("uts"))
			b.spec.Hostname = ""
		},
		crunToo: true,
		want:    map[string]string{"in.ns.user": "joined user", "in.ns.net": "joined net"},
	},
	{
		name: "new-time",
		set: func(b *bundle) {
			b.namespace(specs.TimeNamespace, "")
			b.spec.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"monotonic": {Secs: 7200, Nanosecs: 5}, "boottime": {Secs: 86400}}
		},
		want: map[string]string{"in.ns.time": "own", "in.ns.time_for_children": "own", "in.proc.timens_offsets": "monotonic 7200 5 boottime 86400 0"},
	},
	{
		name: "join-time", needs: timeHolder,
		set: func(b *bundle) {
			p := b.holder(0, unix.CLONE_NEWTIME, nil, "time")
			b.namespace(specs.TimeNamespace, p.path("time"))
		},
		want: map[string]string{"in.ns.time": "joined time"},
	},
}

// timeHolder: Linux 6.1 kills a program that has unshared a time namespace and executes another one;
// tests/e2e has TestJoinTime.
func timeHolder() string {
	p, err := startPause(0, unix.CLONE_NEWTIME, nil)
	if err != nil {
		return "needs a process that holds a time namespace: " + err.Error()
	}
	p.stop()
	return ""
}
