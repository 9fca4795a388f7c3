// Cases: the configs that engines write, with each way in which they call a runtime; and single
// fields set in these configs, one after another through the schema, where no other case covers them.
package compare

import (
	"encoding/json"
	"fmt"
	"strings"
)

// shapeCases returns the shapes of fuzz_shapes_test.go: run, created and started, and detached.
func shapeCases() (cases []testCase) {
	ways := []struct {
		name string
		run  runOptions
	}{
		{"run", runOptions{state: true}},
		{"created", runOptions{split: true, created: [][]string{{"state", "ID"}, {"exec", "ID", "true"}}, verbs: [][]string{
			{"state", "ID"}, {"exec", "ID", "sh", "-c", "id; pwd; umask; grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; ulimit -n; cat /proc/self/oom_score_adj"}, {"exec", "--user", "1000:1000", "--cwd", "/tmp", "ID", "id"},
		}}},
		{"detached", runOptions{detach: true, verbs: [][]string{{"pause", "ID"}, {"resume", "ID"}, {"kill", "ID", "URG"}}}},
	}
	for _, shape := range shapeNames {
		for _, way := range ways {
			c := fuzzCase{Shape: shape}.test("shape-"+shape+"-"+way.name, nil)
			c.run = way.run
			cases = append(cases, c)
		}
	}
	for _, f := range schemaCases {
		cases = append(cases, f.test())
	}
	return cases
}

// test returns a case for TestCompare with this bundle.
func (c fuzzCase) test(name string, want map[string]string) testCase {
	config, run, err := c.config()
	if err != nil {
		panic(name + ": " + err.Error()) // a bug in our own data
	}
	if namespaceOf(config, "user") {
		name += "-user-namespace"
	}
	t := testCase{name: name, set: c.set(config), ask: c.ask(config), run: run, want: want}
	t.allowed = append(cgroupOptions(&fuzzRun{config: config}), masks(&fuzzRun{config: config})...)
	if namespaceOf(config, "user") {
		t.allowed = append(t.allowed, allowed{"in.mount.*.filesystem", "*", "the parent makes the mounts that a user namespace may not, before the others, so the kernel lists them first"})
	}
	if object(config["hooks"])["prestart"] != nil {
		t.allowed = append(t.allowed, declaredFor("hooks-"+c.Shape)...)
	}
	return t
}

// schemaCase sets values in a shape. If refused is set, neither runtime may run it.
type schemaCase struct {
	name    string
	shape   string
	set     string // AT=JSON, separated by spaces (values contain none)
	want    map[string]string
	refused bool
	allowed []allowed
	v1      string // why the case is only for cgroup v1
}

const outOfRange = "runc takes shares that are out of range for the nearest weight"

func (s schemaCase) test() testCase {
	c := fuzzCase{Shape: s.shape}
	for _, assignment := range strings.Split(s.set, " ") {
		at, value, ok := strings.Cut(assignment, "=")
		if !ok || !json.Valid([]byte(value)) {
			panic(fmt.Sprintf("%s: %q is not AT=JSON", s.name, assignment)) // a bug in our own data
		}
		c.Mutations = append(c.Mutations, mutation{At: at, Value: json.RawMessage(value)})
	}
	if s.refused {
		c.Mutations = append(c.Mutations, mutation{At: "process.args", Value: json.RawMessage(`["true"]`)})
		if s.want == nil {
			s.want = map[string]string{"exit": "1"}
		}
		for _, field := range []string{"left.state", "left.cgroups", "left.mounts"} {
			s.want[field] = ""
		}
		s.want["stderr.empty"] = "false"
		const early = "what cannot be run is refused before anything is made and hooks are run"
		s.allowed = append(s.allowed, allowed{"hook.*", "", early}, allowed{"hooks.order", "", early}, allowed{"*.cgroup parents", "*", early})
	}
	t := c.test("field-"+s.name, s.want)
	t.plain = s.refused
	if s.v1 != "" && onV2() {
		t.needs = func() string { return "cgroup v1 alone: " + s.v1 }
	}
	t.allowed = append(t.allowed, s.allowed...)
	return t
}

func seccompRule(rule string) string {
	return `linux.seccomp={"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64"],"syscalls":[` + rule + `]}`
}

// personalityRule rejects personality(2) if its argument matches the comparison. The probe calls it
// with 8 and 9.
func personalityRule(op, value, valueTwo string) string {
	return seccompRule(`{"names":["personality"],"action":"SCMP_ACT_ERRNO","errnoRet":13,"args":[{"index":0,"op":"SCMP_CMP_` + op + `","value":` + value + `,"valueTwo":` + valueTwo + `}]}`)
}

func personalities(eight, nine string) map[string]string {
	return map[string]string{"in.call.personality-8": eight, "in.call.personality-9": nine}
}

var schemaCases = []schemaCase{
	// process
	{name: "uid-highest", shape: "docker", set: `process.user.uid=4294967294`, want: map[string]string{"in.uid": "-2 -2 -2"}},
	{name: "uid-not-an-id", shape: "docker", set: `process.user.uid=4294967295`, refused: true},
	{name: "uid-not-mapped", shape: "userns", set: `process.user.uid=65536`, refused: true},
	{name: "umask-all", shape: "podman", set: `process.user.umask=511`, want: map[string]string{"in.umask": "0777"}},
	{name: "no-groups", shape: "crio", set: `process.user.additionalGids=[]`},
	{name: "args-script", shape: "containerd", set: `process.args=["/script"]`, want: map[string]string{"exit": "0"}},
	{name: "args-through-path", shape: "docker", set: `process.args=["probe","x"]`, want: map[string]string{"in.argv": `"probe" "x"`}},
	{name: "args-relative-to-cwd", shape: "docker", set: `process.args=["./probe"] process.cwd="/bin"`},
	{name: "cwd-link", shape: "docker", set: `process.cwd="/link-to-dir"`, want: map[string]string{"in.cwd": "/dir"}},
	{name: "cwd-link-out", shape: "docker", set: `process.cwd="/link-out"`, want: map[string]string{"in.cwd": "/dir"}},
	{name: "cwd-is-a-file", shape: "docker", set: `process.cwd="/data"`, refused: true},
	{name: "cwd-relative", shape: "docker", set: `process.cwd="dir"`, refused: true},
	{name: "env-path-elsewhere", shape: "podman", set: `process.env=["PATH=/nowhere"]`},
	{name: "rlimit-soft-above-hard", shape: "podman", set: `process.rlimits.0={"type":"RLIMIT_NOFILE","soft":1024,"hard":512}`, refused: true},
	{name: "rlimit-nice", shape: "docker", set: `process.rlimits=[{"type":"RLIMIT_NICE","soft":0,"hard":0},{"type":"RLIMIT_RTPRIO","soft":0,"hard":0}]`},
	{name: "io-priority-idle", shape: "docker", set: `process.ioPriority={"class":"IOPRIO_CLASS_IDLE","priority":0}`, want: map[string]string{"in.ioprio": "class 3 level 0*"}},
	{name: "io-priority-highest", shape: "docker", set: `process.ioPriority={"class":"IOPRIO_CLASS_RT","priority":0}`},
	{name: "io-priority-unknown", shape: "docker", set: `process.ioPriority={"class":"IOPRIO_CLASS_NONE","priority":0}`, refused: true},
	{name: "scheduler-nice", shape: "docker", set: `process.scheduler={"policy":"SCHED_OTHER","nice":-5}`, want: map[string]string{"in.sched.nice": "-5"}},
	{name: "scheduler-nice-too-high", shape: "docker", set: `process.scheduler={"policy":"SCHED_OTHER","nice":20}`, refused: true},
	{name: "scheduler-unknown-flag", shape: "docker", set: `process.scheduler={"policy":"SCHED_OTHER","flags":["NONE"]}`, refused: true},
	{name: "oom-score-highest", shape: "docker", set: `process.oomScoreAdj=1000`, want: map[string]string{"in.proc.oom_score_adj": "1000"}},
	{name: "oom-score-too-high", shape: "docker", set: `process.oomScoreAdj=1001`, refused: true},
	{name: "capabilities-empty", shape: "kubernetes", set: `process.capabilities={}`, want: map[string]string{"in.status.CapEff": "0000000000000000"}},
	{name: "capabilities-bounding-larger", shape: "podman", set: `process.capabilities={"bounding":["CAP_KILL","CAP_CHOWN"],"permitted":["CAP_KILL"],"effective":[]}`, want: map[string]string{"in.status.CapBnd": "0000000000000021"}},

	// namespaces and their settings
	{name: "time-monotonic-back", shape: "docker", set: `linux.namespaces.+={"type":"time"} linux.timeOffsets={"monotonic":{"secs":-5}}`},
	{name: "time-unknown-clock", shape: "docker", set: `linux.namespaces.+={"type":"time"} linux.timeOffsets={"other":{"secs":5}}`, refused: true},
	{name: "namespace-unknown", shape: "docker", set: `linux.namespaces.+={"type":"other"}`, refused: true},
	{name: "namespace-relative-path", shape: "docker", set: `linux.namespaces.1={"type":"network","path":"relative"}`, refused: true},
	{name: "namespace-path-not-one", shape: "docker", set: `linux.namespaces.1={"type":"network","path":"/dev/null"}`, refused: true},
	{name: "user-one-id", shape: "userns", set: `linux.uidMappings=[{"containerID":0,"hostID":100000,"size":1}]`},
	{name: "user-overlapping", shape: "userns", set: `linux.uidMappings=[{"containerID":0,"hostID":100000,"size":10},{"containerID":5,"hostID":200000,"size":10}]`, refused: true},
	{name: "user-size-zero", shape: "userns", set: `linux.uidMappings=[{"containerID":0,"hostID":100000,"size":0}]`, refused: true},
	{name: "hostname-longest", shape: "docker", set: `hostname="0123456789012345678901234567890123456789012345678901234567890123"`},
	{name: "hostname-too-long", shape: "docker", set: `hostname="01234567890123456789012345678901234567890123456789012345678901234"`, refused: true},
	{name: "sysctl-of-the-host", shape: "docker", set: `linux.sysctl={"vm.none":"1"}`, refused: true},
	{name: "sysctl-missing", shape: "docker", set: `linux.sysctl={"net.none":"1"}`, refused: true},
	{name: "sysctl-value-refused", shape: "docker", set: `linux.sysctl={"net.ipv4.ip_unprivileged_port_start":"x"}`, refused: true},
	{name: "sysctl-joined-namespace", shape: "kubernetes", set: `linux.sysctl={"net.ipv4.ip_forward":"1"}`, want: map[string]string{"in.sysctl.net.ipv4.ip_forward": "1 ok"}},

	// mounts
	{name: "bind-nosymfollow", shape: "podman", set: `mounts.+={"destination":"/mnt","type":"bind","source":"$BUNDLE/source","options":["bind","nosymfollow"]}`, want: map[string]string{"in.mount./mnt.options": "*nosymfollow*"}},
	{name: "cgroup-on-dev", shape: "docker", set: `mounts.+={"destination":"/dev","type":"cgroup","source":"cgroup"}`, refused: true},
	{name: "cgroup2-on-dev", shape: "docker", set: `mounts.+={"destination":"/dev","type":"cgroup2","source":"cgroup2"}`, refused: true},
	{name: "bind-over-etc-hosts-twice", shape: "docker", set: `mounts.+={"destination":"/etc/hosts","type":"bind","source":"$BUNDLE/one-file","options":["rbind","rprivate","ro"]}`},
	{name: "bind-over-a-bind", shape: "kubernetes", set: `mounts.+={"destination":"/var/run/secrets/kubernetes.io/serviceaccount/file","type":"bind","source":"$BUNDLE/one-file","options":["rbind","rprivate"]}`},
	{name: "bind-options-undone", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"bind","source":"$BUNDLE/source","options":["rbind","ro","rw","noexec","exec","nosuid","suid","rprivate"]}`},
	{name: "bind-device", shape: "docker", set: `mounts.+={"destination":"/mnt/null","type":"bind","source":"/dev/null","options":["bind","rprivate"]}`},
	{name: "bind-file-on-directory", shape: "docker", set: `mounts.+={"destination":"/dir","type":"bind","source":"$BUNDLE/one-file","options":["bind","rprivate"]}`, refused: true},
	{name: "bind-directory-on-file", shape: "docker", set: `mounts.+={"destination":"/data","type":"bind","source":"$BUNDLE/source","options":["bind","rprivate"]}`, refused: true},
	{name: "tmpfs-on-run", shape: "docker", set: `mounts.+={"destination":"/run","type":"tmpfs","source":"tmpfs","options":["nosuid","nodev","noexec","mode=0700","uid=1000","gid=5","size=1m"]}`, want: map[string]string{"in.path./run": "dir 0700 1000:5"}},
	{name: "tmpfs-huge", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"tmpfs","source":"tmpfs","options":["huge=never"]}`},
	{name: "tmpfs-bad-size", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"tmpfs","source":"tmpfs","options":["size=x"]}`, refused: true},
	{name: "ramfs", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"ramfs","source":"ramfs","options":["nosuid","nodev"]}`},
	{name: "second-proc", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"proc","source":"proc","options":["nosuid","nodev","noexec","ro","subset=pid"]}`},
	{name: "second-sysfs", shape: "podman", set: `mounts.+={"destination":"/mnt","type":"sysfs","source":"sysfs","options":["nosuid","nodev","noexec","ro"]}`},
	{name: "second-devpts", shape: "podman", set: `mounts.+={"destination":"/mnt","type":"devpts","source":"devpts","options":["newinstance","ptmxmode=0666","mode=0620"]}`},
	{name: "overlay", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"overlay","source":"overlay","options":["lowerdir=$BUNDLE/rootfs/dir:$BUNDLE/source"]}`, want: map[string]string{"in.mount./mnt.fstype": "overlay"}},
	{name: "file-system-unknown", shape: "docker", set: `mounts.+={"destination":"/mnt","type":"nosuchfs","source":"none"}`, refused: true},
	{name: "mount-on-the-root", shape: "docker", set: `mounts.+={"destination":"/","type":"tmpfs","source":"tmpfs"}`, refused: true},
	{name: "mount-without-destination", shape: "docker", set: `mounts.+={"destination":"","type":"tmpfs","source":"tmpfs"}`, refused: true},
	{name: "mount-below-dev", shape: "docker", set: `mounts.+={"destination":"/dev/x","type":"tmpfs","source":"tmpfs","options":["size=64k"]}`},
	{name: "bind-on-sysfs", shape: "docker", set: `mounts.+={"destination":"/sys/kernel","type":"bind","source":"$BUNDLE/source","options":["bind","rprivate"]}`},

	// paths
	{name: "masked-nested", shape: "docker", set: `linux.maskedPaths=["/dir/file","/dir"]`, want: map[string]string{"in.path./dir/file": "ENOENT"}},
	{name: "masked-below-masked", shape: "docker", set: `linux.maskedPaths=["/dir","/dir/file"]`},
	{name: "masked-by-link", shape: "podman", set: `linux.maskedPaths=["/link-to-data"]`, want: map[string]string{"in.read./data": `"" ok`}},
	{name: "masked-mounts", shape: "docker", set: `linux.maskedPaths=["/tmp","/dev/shm"]`},
	{name: "read-only-link", shape: "docker", set: `linux.readonlyPaths=["/link-to-dir"]`, want: map[string]string{"in.readonly./dir": "EROFS"}},
	{name: "read-only-dev", shape: "docker", set: `linux.readonlyPaths=["/dev"]`},
	{name: "read-only-proc", shape: "docker", set: `linux.readonlyPaths=["/proc"]`},
	{name: "root-dotdot", shape: "docker", set: `root.path="rootfs/../rootfs"`},
	{name: "root-is-a-file", shape: "docker", set: `root.path="config.json"`, refused: true},

	// devices
	{name: "device-with-format-in-mode", shape: "docker", set: `linux.devices=[{"path":"/dev/x","type":"c","major":10,"minor":229,"fileMode":8630,"uid":0,"gid":5}]`, want: map[string]string{"in.dev./dev/x": "char 0666 0:5*"}},
	{name: "device-no-permissions", shape: "docker", set: `linux.devices=[{"path":"/dev/x","type":"c","major":1,"minor":3,"fileMode":0}]`, want: map[string]string{"in.dev./dev/x": "char 0000*"}},
	{name: "device-fifo", shape: "docker", set: `linux.devices=[{"path":"/dev/x","type":"p","fileMode":384,"uid":1000}]`, want: map[string]string{"in.dev./dev/x": "fifo 0600 1000:0"}},
	{name: "device-unknown-type", shape: "docker", set: `linux.devices=[{"path":"/dev/x","type":"d","major":1,"minor":3}]`, refused: true},
	{name: "device-rule-major-only", shape: "podman", set: `linux.resources.devices.+={"allow":true,"type":"c","major":10,"access":"r"}`, want: map[string]string{"out.cgroup.devices.devices.list": onV1("*c 10:* r*")}},
	{name: "device-rule-all-numbers", shape: "podman", set: `linux.resources.devices.+={"allow":true,"type":"b","access":"rm"}`, want: map[string]string{"out.cgroup.devices.devices.list": onV1("*b *:* rm*")}},
	{name: "device-rule-wildcards-as-minus-1", shape: "podman", set: `linux.resources.devices.+={"allow":true,"type":"c","major":-1,"minor":-1,"access":"r"}`},
	{name: "device-rule-unknown-type", shape: "podman", set: `linux.resources.devices.+={"allow":true,"type":"x","access":"r"}`, refused: true},

	// resources
	{name: "memory-reservation-unlimited", shape: "docker", set: `linux.resources.memory={"reservation":-1}`},
	{name: "memory-swappiness-zero", shape: "docker", set: `linux.resources.memory={"swappiness":0}`, want: map[string]string{"out.cgroup.memory.memory.swappiness": onV1("0")}, v1: noSuch},
	{name: "memory-swap-below-limit", shape: "docker", set: `linux.resources.memory={"limit":67108864,"swap":33554432}`, refused: true},
	{name: "memory-everything-unlimited", shape: "docker", set: `linux.resources.memory={"limit":-1,"swap":-1}`},
	{name: "memory-limit-zero", shape: "docker", set: `linux.resources.memory={"limit":0}`},
	{name: "memory-check-before-update", shape: "docker", set: `linux.resources.memory={"checkBeforeUpdate":true,"limit":67108864}`},
	{name: "cpu-shares-lowest", shape: "docker", set: `linux.resources.cpu={"shares":2}`, want: map[string]string{"out.cgroup.cpu.cpu.shares": onV1("2")}},
	{name: "cpu-shares-too-low", shape: "docker", set: `linux.resources.cpu={"shares":1}`, refused: true, v1: outOfRange},
	{name: "cpu-shares-highest", shape: "docker", set: `linux.resources.cpu={"shares":262144}`, want: map[string]string{"out.cgroup.cpu.cpu.shares": onV1("262144")}},
	{name: "cpu-shares-too-high", shape: "docker", set: `linux.resources.cpu={"shares":300000}`, refused: true, v1: outOfRange},
	{name: "cpu-quota-too-small", shape: "docker", set: `linux.resources.cpu={"quota":999}`, refused: true},
	{name: "cpu-period-too-long", shape: "docker", set: `linux.resources.cpu={"period":2000000}`, refused: true},
	{name: "cpu-idle-and-shares", shape: "docker", set: `linux.resources.cpu={"idle":1,"shares":512}`, v1: "runc writes cpu.weight of an idle cgroup, which the kernel refuses"},
	{name: "cpu-burst-without-quota", shape: "docker", set: `linux.resources.cpu={"burst":1000}`},
	{name: "cpuset-list", shape: "docker", set: `linux.resources.cpu={"cpus":"0,1","mems":"0"}`, want: map[string]string{"out.cgroup.cpuset.cpuset.cpus": "0-1"}},
	{name: "cpuset-backwards", shape: "docker", set: `linux.resources.cpu={"cpus":"1-0"}`, refused: true},
	{name: "cpuset-mems-missing-node", shape: "docker", set: `linux.resources.cpu={"mems":"9"}`, refused: true},
	{name: "pids-highest", shape: "docker", set: `linux.resources.pids={"limit":4194304}`},
	{name: "rdma-nothing", shape: "docker", set: `linux.resources.rdma={}`},
	{name: "cgroups-path-with-colon", shape: "docker", set: `linux.cgroupsPath="/$TAG-x/a:b/$ID"`},
	{name: "resources-empty", shape: "docker", set: `linux.resources={}`},

	// the rest of linux
	{name: "memory-policy-bind", shape: "containerd", set: `linux.memoryPolicy={"mode":"MPOL_BIND","nodes":"0"}`, want: map[string]string{"in.mempolicy": "mode 2 nodes 0x1 errno 0"}},
	{name: "memory-policy-local", shape: "containerd", set: `linux.memoryPolicy={"mode":"MPOL_LOCAL"}`},
	{name: "memory-policy-flag", shape: "containerd", set: `linux.memoryPolicy={"mode":"MPOL_PREFERRED","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}`},
	{name: "memory-policy-unknown", shape: "docker", set: `linux.memoryPolicy={"mode":"MPOL_OTHER","nodes":"0"}`, refused: true},
	{name: "personality-linux", shape: "docker", set: `linux.personality={"domain":"LINUX"}`},
	{name: "propagation-unknown", shape: "docker", set: `linux.rootfsPropagation="other"`, refused: true},
	{name: "hook-timeout-zero", shape: "podman", set: `hooks={"createRuntime":[{"path":"/bin/true","timeout":0}]}`, refused: true},
	{name: "hook-start-container-missing", shape: "podman", set: `hooks={"startContainer":[{"path":"/missing"}]}`, refused: true, want: map[string]string{"exit": "*"}, allowed: []allowed{{"exit", "1", execFails}, {"pid-file.exists", "*", execFails}}},
	{name: "annotations-not-text", shape: "docker", set: `annotations={"a":1}`, refused: true},
	{name: "version-older", shape: "docker", set: `ociVersion="1.0.0"`},

	// seccomp
	{name: "seccomp-equal", shape: "docker", set: personalityRule("EQ", "8", "0"), want: personalities("EACCES", "ok")},
	{name: "seccomp-not-equal", shape: "docker", set: personalityRule("NE", "8", "0"), want: personalities("ok", "EACCES")},
	{name: "seccomp-less", shape: "docker", set: personalityRule("LT", "9", "0"), want: personalities("EACCES", "ok")},
	{name: "seccomp-less-or-equal", shape: "docker", set: personalityRule("LE", "8", "0"), want: personalities("EACCES", "ok")},
	{name: "seccomp-greater", shape: "docker", set: personalityRule("GT", "8", "0"), want: personalities("ok", "EACCES")},
	{name: "seccomp-greater-or-equal", shape: "docker", set: personalityRule("GE", "9", "0"), want: personalities("ok", "EACCES")},
	{name: "seccomp-masked", shape: "docker", set: personalityRule("MASKED_EQ", "1", "1"), want: personalities("ok", "EACCES")},
	{name: "seccomp-operator-unknown", shape: "docker", set: personalityRule("OTHER", "1", "1"), refused: true},
	{name: "seccomp-errno-zero", shape: "docker", set: seccompRule(`{"names":["chmod"],"action":"SCMP_ACT_ERRNO","errnoRet":0}`)},
	{name: "seccomp-log", shape: "docker", set: seccompRule(`{"names":["chmod"],"action":"SCMP_ACT_LOG"}`)},
	{name: "seccomp-trace", shape: "docker", set: seccompRule(`{"names":["chmod"],"action":"SCMP_ACT_TRACE"}`)},
	{name: "seccomp-action-unknown", shape: "docker", set: seccompRule(`{"names":["chmod"],"action":"SCMP_ACT_OTHER"}`), refused: true},
	{name: "seccomp-notify-without-listener", shape: "docker", set: seccompRule(`{"names":["chmod"],"action":"SCMP_ACT_NOTIFY"}`), refused: true},
	{name: "seccomp-two-arguments", shape: "docker", set: seccompRule(`{"names":["personality"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"op":"SCMP_CMP_EQ","value":8},{"index":1,"op":"SCMP_CMP_EQ","value":0}]}`)},
	{name: "seccomp-all-architectures", shape: "docker", set: `linux.seccomp.architectures=["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"]`},
	{name: "seccomp-flag-unknown", shape: "docker", set: `linux.seccomp.flags=["OTHER"]`, refused: true},
}
