// Cases: commands on a running container, systemd scopes, unprivileged users.
package compare

import (
	"fmt"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var lifeCases = []testCase{
	{name: "life-freezer", run: runOptions{verbs: [][]string{{"pause", "ID"}, {"state", "ID"}, {"exec", "ID", "true"}, {"pause", "ID"}, {"resume", "ID"}, {"state", "ID"}, {"resume", "ID"}}}},
	{name: "life-paused-before-start", run: runOptions{split: true, created: [][]string{{"pause", "ID"}, {"state", "ID"}, {"start", "ID"}, {"resume", "ID"}, {"state", "ID"}}},
		want: map[string]string{"created.1 state.state.status": "paused", "created.2 start.exit": "1", "created.4 state.state.status": "created", "start.exit": "0"}},
	{name: "life-exec", notCrun: stuck, run: runOptions{verbs: [][]string{
		{"exec", "ID", "sh", "-c", "cat /proc/self/cgroup | sed 's/^[0-9]*//' | sort"}, {"exec", "ID", "sh", "-c", "exit 7"}, {"exec", "ID", "nowhere"},
		{"exec", "--cap", "CAP_NET_ADMIN", "--user", "5:6", "--cwd", "/proc", "--env", "A=b", "ID", "sh", "-c", "id -u; id -g; pwd; echo $A; grep Cap /proc/self/status"},
		{"exec", "--process", "BUNDLE/process.json", "ID"},
	}}, set: func(b *bundle) {
		content := `{"args":["sh","-c","echo $X; id -u"],"cwd":"/","env":["PATH=/bin","X=y"],"user":{"uid":9,"gid":9}}`
		b.addSource("process.json", &content)
	}},
	{name: "life-statistics", set: limits(someLimits), run: runOptions{verbs: [][]string{{"events", "--stats", "ID"}, {"ps", "--format", "table", "ID", "-o", "pid,args"}}}},
	{name: "life-update", set: limits(someLimits), run: runOptions{verbs: updates}},
	{name: "life-update-from-a-file", set: func(b *bundle) {
		someLimits(b.spec.Linux.Resources)
		content := `{"memory":{"limit":33554432,"reservation":1048576},"cpu":{"shares":300,"quota":30000,"period":60000,"cpus":"0"},"pids":{"limit":30}}`
		b.addSource("resources.json", &content)
	}, run: runOptions{verbs: [][]string{{"update", "--resources", "BUNDLE/resources.json", "ID"}}}},
	{name: "life-kill-is-not-for-nothing", run: runOptions{verbs: [][]string{{"kill", "ID", "0"}, {"kill", "ID", "NOSUCH"}, {"kill", "ID", "URG"}, {"delete", "ID"}, {"start", "ID"}, {"state", "nobody"}}}},
	{name: "life-unified", needs: needV2, set: limits(func(r *specs.LinuxResources) {
		r.Unified = map[string]string{"memory.high": "40000000", "pids.max": "33", "cpu.max": "20000 100000", "memory.min": "4096"}
	}), run: runOptions{verbs: [][]string{{"events", "--stats", "ID"}}}, want: map[string]string{"out.cgroup..memory.high": "39997440", "out.cgroup..pids.max": "33"}},
	{name: "life-devices", set: func(b *bundle) {
		b.device("/dev/fuse", "c", 10, 229)
		b.spec.Linux.Resources.Devices = append(b.spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: pointer(int64(10)), Minor: pointer(int64(229)), Access: "r"})
	}, run: runOptions{verbs: [][]string{
		{"exec", "ID", "sh", "-c", "(: < /dev/fuse) && echo read; (: > /dev/fuse) || echo no write; (: > /dev/null) && echo null"},
		{"update", "--pids-limit", "60", "ID"},
		{"exec", "ID", "sh", "-c", "(: > /dev/fuse) || echo still no write"},
	}}},
}

var updates = [][]string{
	{"update", "--memory", "33554432", "ID"}, {"update", "--memory-reservation", "16777216", "ID"}, {"update", "--memory-swap", "67108864", "ID"},
	{"update", "--cpu-quota", "25000", "--cpu-period", "50000", "ID"}, {"update", "--cpu-share", "200", "ID"}, {"update", "--cpuset-cpus", "1", "ID"},
	{"update", "--pids-limit", "44", "ID"}, {"update", "--cpu-quota", "-1", "ID"}, {"update", "--memory", "-1", "ID"}, {"update", "--pids-limit", "-1", "ID"},
	{"update", "--cpuset-cpus", "999", "ID"},
}

const stuck = "its run does not end after an exec of a program that is not there"

func someLimits(r *specs.LinuxResources) {
	r.Memory = &specs.LinuxMemory{Limit: pointer(int64(64 * mib)), Swap: pointer(int64(128 * mib))}
	r.CPU = &specs.LinuxCPU{Shares: pointer(uint64(512)), Quota: pointer(int64(50000)), Period: pointer(uint64(100000)), Cpus: "0-1"}
	r.Pids = &specs.LinuxPids{Limit: pointer(int64(50))}
}

// device adds a device node to linux.devices.
func (b *bundle) device(path, kind string, major, minor int64) {
	b.spec.Linux.Devices = append(b.spec.Linux.Devices, specs.LinuxDevice{Path: path, Type: kind, Major: major, Minor: minor, FileMode: pointer(os.FileMode(0o666))})
}

func needV2() string {
	if !onV2() {
		return "needs cgroup v2: tests/vm/run"
	}
	return ""
}

func needSystemd() string {
	if _, err := os.Stat("/run/systemd/system"); err != nil || !onV2() {
		return "needs systemd and cgroup v2: tests/vm/run --kind systemd"
	}
	return ""
}

func needSession() string {
	if reason := needSystemd(); reason != "" {
		return reason
	}
	if _, err := os.Stat(fmt.Sprintf("/run/user/%d/bus", plainUser())); err != nil {
		return "needs a user with a session: tests/vm/run --kind systemd"
	}
	return ""
}

var systemd = []string{"--systemd-cgroup"}

// scoped gives the container a scope with a name that is the same under all runtimes.
func scoped(set func(*bundle)) func(*bundle) {
	return func(b *bundle) {
		b.spec.Linux.CgroupsPath = "system.slice:cmp:" + b.id
		if set != nil {
			set(b)
		}
	}
}

// systemdCases returns the cases about limits and commands, run with a scope, and the cases about
// scopes themselves.
func systemdCases() []testCase {
	cases := []testCase{
		{name: "systemd", set: scoped(nil), ask: ask{Read: []string{"/proc/self/cgroup"}}, want: map[string]string{"unit.Slice": "system.slice", "unit.ActiveState": "active"}},
		{name: "systemd-default-path", set: func(b *bundle) { b.spec.Linux.CgroupsPath = "" }},
		{name: "systemd-slices", set: func(b *bundle) { b.spec.Linux.CgroupsPath = "cmp-a-b.slice:x:" + b.id }, want: map[string]string{"unit.Slice": "cmp-a-b.slice"}},
		{name: "systemd-no-prefix", set: func(b *bundle) { b.spec.Linux.CgroupsPath = "::" + b.id }},
		{name: "systemd-not-a-scope", plain: true, set: func(b *bundle) {
			b.spec.Linux.CgroupsPath = "/a/path"
			b.spec.Process.Args = []string{"true"}
		}, want: map[string]string{"exit": "1"}},
		{name: "systemd-annotations", set: scoped(func(b *bundle) {
			b.spec.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 7000000", "org.systemd.property.CollectMode": "'inactive-or-failed'"}
		}), want: map[string]string{"unit.TimeoutStopUSec": "7s", "unit.CollectMode": "inactive-or-failed"}},
		{name: "systemd-user-namespace", set: scoped(func(b *bundle) { b.userns() })},
		{name: "systemd-detached", run: runOptions{detach: true}, set: scoped(nil)},
		{name: "systemd-cgroup-writable", set: scoped(func(b *bundle) {
			b.dropMount("/sys/fs/cgroup")
			b.mount("/sys/fs/cgroup", "cgroup", "cgroup", "rw")
		})},
	}
	for _, c := range append(append([]testCase{}, cgroupCases...), lifeCases...) {
		if c.plain || strings.HasPrefix(c.name, "cgroups-path") || c.noReference != "" {
			continue
		}
		c.name, c.set = "systemd-"+c.name, scoped(c.set)
		cases = append(cases, c)
	}
	for i := range cases {
		own := cases[i].needs
		cases[i].run.global, cases[i].needs = systemd, func() string {
			if reason := needSystemd(); reason != "" || own == nil {
				return reason
			}
			return own()
		}
	}
	return cases
}

// userCases are containers of an unprivileged user: with only the user's own ID, with ranges of IDs,
// with a user systemd.
var userCases = []testCase{
	{name: "unprivileged", want: map[string]string{"in.ns.user": "own", "exit": "0"}},
	{name: "unprivileged-network", set: func(b *bundle) {
		b.namespace(specs.NetworkNamespace, "")
		b.dropMount("/sys")
		b.mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro")
	}},
	{name: "unprivileged-bind", set: func(b *bundle) {
		b.mkdir("mnt", 0o755)
		b.mount("/mnt", "bind", b.addSource("source", nil), "rbind", "ro", "nosuid")
	}, ask: ask{ReadOnly: []string{"/mnt"}}},
	{name: "unprivileged-masks", set: func(b *bundle) {
		b.mkdir("secret", 0o755)
		b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, "/secret")
	}, ask: ask{Masked: []string{"/secret", "/proc/keys"}}},
	{name: "unprivileged-verbs", notCrun: stuck, run: runOptions{verbs: [][]string{{"state", "ID"}, {"exec", "ID", "sh", "-c", "id -u; cat /proc/self/uid_map"}, {"exec", "ID", "nowhere"}, {"kill", "ID", "URG"}, {"delete", "ID"}}}},
	{name: "unprivileged-detached", run: runOptions{detach: true}},
	{name: "unprivileged-terminal", set: func(b *bundle) { b.spec.Process.Terminal = true }, run: runOptions{terminal: "own"}, ask: ask{WaitSize: true}},
	{name: "unprivileged-limit-without-a-cgroup", plain: true, set: func(b *bundle) {
		b.spec.Linux.CgroupsPath = "/" + box.tag + "/" + b.id
		b.spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer(int64(64 * mib))}}
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "unprivileged-other-ids", plain: true, set: func(b *bundle) {
		b.spec.Linux.UIDMappings = append(b.spec.Linux.UIDMappings, specs.LinuxIDMapping{ContainerID: 1, HostID: 5, Size: 3})
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"exit": "1", "stderr.empty": "false"}},
	{name: "unprivileged-ranges", needs: needSession, set: func(b *bundle) {
		for _, m := range []*[]specs.LinuxIDMapping{&b.spec.Linux.UIDMappings, &b.spec.Linux.GIDMappings} {
			*m = append(*m, specs.LinuxIDMapping{ContainerID: 1, HostID: 100000, Size: 1000})
		}
	}},
	{name: "session-systemd", needs: needSession, set: func(b *bundle) { b.spec.Linux.CgroupsPath = "user.slice:cmp:" + b.id }, run: runOptions{global: systemd}},
	{name: "session-systemd-limits", needs: needSession, set: func(b *bundle) {
		b.spec.Linux.CgroupsPath = "user.slice:cmp:" + b.id
		b.spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: pointer(int64(64 * mib))}, Pids: &specs.LinuxPids{Limit: pointer(int64(40))}}
	}, run: runOptions{global: systemd, verbs: [][]string{{"pause", "ID"}, {"resume", "ID"}, {"update", "--memory", "33554432", "ID"}, {"exec", "ID", "cat", "/proc/self/cgroup"}, {"events", "--stats", "ID"}}},
		want: map[string]string{"out.cgroup..memory.max": "67108864", "out.cgroup..pids.max": "40"}},
}

func rootlessCases() (cases []testCase) {
	for _, c := range userCases {
		c.run.user = true
		cases = append(cases, c)
	}
	return cases
}
