// The values that the fuzzer sets in config.json: for each field usual values, boundary values, and
// invalid ones.
//
// They must not affect the host, whatever a runtime does with them: only sysctls of the network and
// IPC namespaces, which are separate in the sandbox; only bind sources in the bundle, /dev/null and a
// read-only view of /sys; no option remount (it would change a file system that the host uses); no
// device that has an effect when it is opened; no process ID, and only cgroup paths below those that
// are removed at the end.
package compare

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// randomCase selects a shape and a few mutations at random.
func randomCase(r *rand.Rand) fuzzCase {
	c := fuzzCase{Shape: pick(r, shapeNames)}
	for n := pick(r, []int{1, 1, 2, 2, 3, 4}); n > 0; n-- {
		c.Mutations = append(c.Mutations, randomMutation(r))
	}
	if r.IntN(3) == 0 {
		c.Mutations = append(c.Mutations, pick(r, calls))
	}
	return c
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// usual prefers the first values of a list, which are the usual ones; the invalid ones are at the
// end.
func usual[T any](r *rand.Rand, from []T) T { return from[min(r.IntN(len(from)), r.IntN(len(from)))] }

// randomMutation selects each field with the same probability, however many values it has; fields
// with several parts are underrepresented in the table, so they are selected half of the time.
func randomMutation(r *rand.Rand) mutation {
	if r.IntN(2) == 0 {
		make := pick(r, composed)
		at, value := make(r)
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // a bug in our own values
		}
		return mutation{At: at, Value: text}
	}
	f := pick(r, fields)
	if f.values == nil || r.IntN(12) == 0 {
		return mutation{At: f.at} // omitted
	}
	if r.IntN(60) == 0 {
		return mutation{At: f.at, Value: json.RawMessage(pick(r, otherTypes))}
	}
	return mutation{At: f.at, Value: json.RawMessage(usual(r, f.values))}
}

// otherTypes lists values of types that are invalid for most fields.
var otherTypes = []string{`null`, `"text"`, `-1`, `1.5`, `true`, `[]`, `{}`, `[1]`, `""`, `99999999999999999999`, `{"a":1}`}

// calls lists the ways in which the runtime is called.
var calls = []mutation{
	{At: "run.detach"}, {At: "run.split"}, {At: "run.split"}, {At: "run.split"}, {At: "run.flags", Value: json.RawMessage(`["--no-pivot"]`)},
	{At: "run.flags", Value: json.RawMessage(`["--no-new-keyring"]`)}, {At: "run.preserve", Value: json.RawMessage(`2`)},
	verbOf("state", "ID"), verbOf("pause", "ID"), verbOf("exec", "ID", "cat", "/proc/self/uid_map"), verbOf("exec", "ID", "sh", "-c", "id; pwd; umask; grep -E 'Cap|NoNew|Seccomp' /proc/self/status; ulimit -n"),
	verbOf("exec", "--user", "1000:5", "--cwd", "/tmp", "ID", "id"), verbOf("exec", "ID", "there-is-none"),
	verbOf("exec", "--cap", "CAP_NET_ADMIN", "ID", "grep", "Cap", "/proc/self/status"), verbOf("exec", "--no-new-privs", "ID", "grep", "NoNew", "/proc/self/status"),
	verbOf("exec", "--env", "A=b", "--env", "A=c", "ID", "env"), verbOf("exec", "--process", "BUNDLE/process.json", "ID"), verbOf("exec", "--cwd", "relative", "ID", "pwd"), verbOf("exec", "--cwd", "/closed/x", "ID", "pwd"),
	verbOf("kill", "ID", "0"), verbOf("kill", "ID", "URG"), verbOf("kill", "ID", "SIGURG"), verbOf("kill", "ID", "99"), verbOf("delete", "ID"), verbOf("start", "ID"), verbOf("resume", "ID"),
	verbOf("events", "--stats", "ID"), verbOf("ps", "ID", "-o", "args"), verbOf("ps", "--format", "json", "ID"), verbOf("update", "--pids-limit", "99", "ID"), verbOf("update", "--memory", "200000000", "ID"), verbOf("update", "--memory", "200m", "ID"),
	verbOf("update", "--cpu-share", "77", "ID"), verbOf("update", "--cpu-quota", "30000", "ID"), verbOf("update", "--cpu-period", "1", "ID"), verbOf("update", "--cpuset-cpus", "0", "ID"), verbOf("update", "--pids-limit", "x", "ID"), verbOf("update", "ID"),
	verbOf("update", "--memory-reservation", "50000000", "ID"), verbOf("update", "--cpu-idle", "1", "ID"), verbOf("update", "--cpu-burst", "1000", "ID"), verbOf("update", "--blkio-weight", "500", "ID"),
}

func verbOf(words ...string) mutation {
	text, err := json.Marshal(words)
	if err != nil {
		panic(err) // a bug in our own strings
	}
	return mutation{At: "run.verb", Value: text}
}

type field struct {
	at     string
	values []string // JSON; nil: the field is only omitted
}

// fields lists the fields of the schema that hold one value, or a list that is replaced as a whole.
var fields = []field{
	{"ociVersion", []string{`"1.0.0"`, `"1.0.2"`, `"1.0.2-dev"`, `"1.1.0"`, `"1.2.0"`, `"1.2.1+dev"`, `"1.3.0"`, `"1.3.1"`, `"1.9.0"`, `"2.0.0"`, `"0.9.0"`, `""`, `"x"`, `"1"`, `"v1.0.0"`}},
	{"hostname", []string{`"other"`, `""`, `"a.b-c"`, `"0123456789012345678901234567890123456789012345678901234567890123"`, `"01234567890123456789012345678901234567890123456789012345678901234"`, `"ä"`}},
	{"domainname", []string{`"example.org"`, `""`, `"(none)"`, `"01234567890123456789012345678901234567890123456789012345678901234"`}},
	{"root.path", []string{`"rootfs"`, `"./rootfs"`, `"$BUNDLE/rootfs"`, `"rootfs/"`, `"rootfs/."`, `"missing"`, `""`, `"config.json"`, `"rootfs/../rootfs"`}},
	{"root.readonly", []string{`true`, `false`}},
	{"unknownField", []string{`1`, `{"a":[1]}`}},
	{"process.consoleSize", []string{`{"height":10,"width":20}`, `{"height":0,"width":0}`, `{}`}},
	{"process.user.uid", []string{`0`, `1`, `1000`, `65534`, `65535`, `65536`, `4294967294`, `4294967295`, `4294967296`, `-1`}},
	{"process.user.gid", []string{`0`, `5`, `1000`, `65534`, `65536`, `4294967294`, `4294967295`, `-1`}},
	{"process.user.umask", []string{`0`, `18`, `63`, `511`, `4095`}},
	{"process.user.additionalGids", []string{`[0]`, `[5,6,7]`, `[1000]`, `[65534]`, `[65536]`, `[4294967295]`, `[-1]`, `[]`}},
	{"process.user.username", []string{`"user"`, `""`}},
	{"process.args", []string{`["/probe","an argument",""]`, `["probe"]`, `["/script"]`, `["./probe"]`, `["/missing"]`, `["missing"]`, `["/data"]`, `["/dir"]`, `["true"]`, `["false"]`, `["sh","-c","exit 7"]`, `[]`, `["/probe\u0000x"]`, `["/link-out/file"]`}},
	{"process.env", []string{`["PATH=/bin"]`, `[]`, `["PATH=/nowhere"]`, `["PATH="]`, `["A=1","B=2","A=3","PATH=/bin"]`, `["HOME=/x","PATH=/bin"]`, `["A=","=x","PATH=/bin"]`, `["NOEQUALS"]`, `["A=\u0000"]`, `["A=ä","PATH=/bin:/usr/bin"]`}},
	{"process.cwd", []string{`"/"`, `"/tmp"`, `"/dir"`, `"/made/for/it"`, `"/data"`, `"/link-to-dir"`, `"/link-out"`, `"relative"`, `""`, `"/closed"`, `"/proc/self"`, `"/dev/shm"`, `"/tmp/../dir"`}},
	{"process.noNewPrivileges", []string{`true`, `false`}},
	{"process.oomScoreAdj", []string{`0`, `1`, `500`, `1000`, `1001`, `-1001`}},
	{"process.apparmorProfile", []string{`""`}},
	{"process.selinuxLabel", []string{`""`}},
	{"process.ioPriority", []string{`{"class":"IOPRIO_CLASS_BE","priority":0}`, `{"class":"IOPRIO_CLASS_BE","priority":7}`, `{"class":"IOPRIO_CLASS_BE","priority":8}`, `{"class":"IOPRIO_CLASS_IDLE","priority":0}`, `{"class":"IOPRIO_CLASS_IDLE","priority":7}`, `{"class":"IOPRIO_CLASS_RT","priority":3}`, `{"class":"NONE","priority":1}`, `{"class":"","priority":1}`, `{}`}},
	{"process.scheduler", []string{`{"policy":"SCHED_OTHER","nice":5}`, `{"policy":"SCHED_BATCH"}`, `{"policy":"SCHED_BATCH","nice":19}`, `{"policy":"SCHED_IDLE"}`, `{"policy":"SCHED_OTHER","nice":20}`, `{"policy":"SCHED_NONE"}`, `{"policy":""}`, `{}`, `{"policy":"SCHED_OTHER","flags":["SCHED_FLAG_RESET_ON_FORK"]}`, `{"policy":"SCHED_OTHER","flags":["NONE"]}`, `{"policy":"SCHED_OTHER","priority":1}`}},
	{"process.execCPUAffinity", []string{`{"initial":"0","final":"1"}`, `{"initial":"0-1"}`, `{"final":"0"}`, `{"initial":"a"}`, `{"final":"9999"}`, `{}`}},
	{"process.capabilities", []string{`{}`, `{"bounding":["CAP_KILL"]}`, `{"bounding":[],"effective":[],"permitted":[]}`, `{"effective":["CAP_KILL"]}`, `{"permitted":["CAP_KILL"]}`}},
	{"process.commandLine", []string{`"cmd"`}},
	{"linux.rootfsPropagation", []string{`"private"`, `"rprivate"`, `"slave"`, `"rslave"`, `"shared"`, `"rshared"`, `"unbindable"`, `"runbindable"`, `""`, `"other"`}},
	{"linux.cgroupsPath", []string{`""`, `"/$TAG-x/$ID"`, `"$TAG-x/$ID"`, `"/$TAG-x//y/../$ID/"`, `"/$TAG-x/a:b/$ID"`, `"/$TAG-x/ö/$ID"`}},
	{"linux.mountLabel", []string{`""`}},
	{"linux.personality", []string{`{"domain":"LINUX"}`, `{"domain":"LINUX32"}`, `{"domain":"OTHER"}`, `{"domain":"LINUX","flags":["X"]}`, `{}`}},
	{"linux.maskedPaths", []string{`[]`, `["/data"]`, `["/dir"]`, `["/missing"]`, `["/proc/keys","/proc/keys"]`, `["/link-to-data"]`, `["/dev/null"]`, `["/dir/file","/dir"]`, `["/dir","/dir/file"]`, `["relative"]`, `[""]`, `["/proc/self/status"]`, `["/tmp","/dev/shm"]`, `["/../dir"]`}},
	{"linux.readonlyPaths", []string{`[]`, `["/data"]`, `["/dir"]`, `["/missing"]`, `["/proc/sys","/proc/sys"]`, `["/link-to-dir"]`, `["/dev/shm"]`, `["/tmp","/dir"]`, `["relative"]`, `[""]`, `["/dev"]`, `["/proc"]`}},
	{"linux.timeOffsets", []string{`{"monotonic":{"secs":100}}`, `{"boottime":{"secs":100,"nanosecs":5}}`, `{"other":{"secs":1}}`, `{}`}},
	{"linux.memoryPolicy", []string{`{"mode":"MPOL_INTERLEAVE","nodes":"0"}`, `{"mode":"MPOL_BIND","nodes":"0"}`, `{"mode":"MPOL_LOCAL"}`, `{"mode":"MPOL_DEFAULT"}`, `{"mode":"MPOL_OTHER"}`, `{"mode":"MPOL_PREFERRED","nodes":"0","flags":["MPOL_F_STATIC_NODES"]}`, `{"mode":"MPOL_BIND"}`, `{"mode":"MPOL_BIND","nodes":"99"}`}},
	{"linux.resources.memory", []string{`{}`, `{"limit":67108864}`, `{"limit":67108864,"swap":67108864}`, `{"limit":67108864,"swap":33554432}`, `{"swap":134217728}`, `{"limit":-1}`, `{"limit":-1,"swap":-1}`, `{"limit":67108864,"swap":-1}`, `{"limit":0}`, `{"limit":-2}`, `{"limit":1000}`, `{"reservation":33554432}`, `{"reservation":-1}`, `{"limit":67108864,"reservation":134217728}`, `{"swappiness":0}`, `{"swappiness":60}`, `{"swappiness":100}`, `{"swappiness":201}`, `{"disableOOMKiller":true,"limit":67108864}`, `{"disableOOMKiller":false}`, `{"kernel":67108864}`, `{"kernelTCP":67108864}`, `{"useHierarchy":true}`, `{"checkBeforeUpdate":true,"limit":67108864}`, `{"limit":9223372036854775807}`}},
	{"linux.resources.cpu", []string{`{}`, `{"shares":0}`, `{"shares":1}`, `{"shares":2}`, `{"shares":1024}`, `{"shares":262144}`, `{"shares":300000}`, `{"quota":50000,"period":100000}`, `{"quota":-1}`, `{"quota":0}`, `{"quota":999}`, `{"quota":1000,"period":1000}`, `{"period":50000}`, `{"period":999}`, `{"period":2000000}`, `{"quota":50000,"period":0}`, `{"cpus":"0"}`, `{"cpus":"0-1"}`, `{"cpus":"0,1"}`, `{"cpus":"1-0"}`, `{"cpus":"x"}`, `{"cpus":"99"}`, `{"cpus":""}`, `{"mems":"0"}`, `{"mems":"9"}`, `{"cpus":"0","mems":"0"}`, `{"idle":1}`, `{"idle":0}`, `{"idle":2}`, `{"burst":1000,"quota":50000,"period":100000}`, `{"burst":1000}`, `{"quota":-2}`, `{"idle":1,"shares":512}`}},
	{"linux.resources.pids", []string{`{"limit":100}`, `{"limit":-1}`, `{"limit":32}`, `{"limit":9223372036854775807}`, `{}`}},
	{"linux.resources.blockIO", []string{`{}`, `{"weight":500}`, `{"weight":5}`, `{"weight":2000}`, `{"leafWeight":500}`, `{"weight":0}`, `{"weightDevice":[{"major":7,"minor":0,"weight":300}]}`, `{"throttleReadBpsDevice":[{"major":7,"minor":0,"rate":1048576}]}`, `{"throttleWriteBpsDevice":[{"major":999,"minor":0,"rate":1048576}]}`, `{"throttleReadIOPSDevice":[{"major":7,"minor":1,"rate":10}]}`, `{"throttleWriteIOPSDevice":[{"major":7,"minor":0,"rate":0}]}`}},
	{"linux.resources.hugepageLimits", []string{`[]`, `[{"pageSize":"2MB","limit":4194304}]`, `[{"pageSize":"3MB","limit":4194304}]`, `[{"pageSize":"x","limit":1}]`}},
	{"linux.resources.network", []string{`{}`, `{"classID":1048577}`, `{"priorities":[{"name":"lo","priority":5}]}`}},
	{"linux.resources.rdma", []string{`{}`, `{"mlx5_1":{"hcaHandles":3}}`}},
	{"linux.resources.unified", []string{`{}`, `{"memory.high":"100000000"}`, `{"there.is.none":"1"}`}},
	{"linux.resources.devices", []string{`[]`, `[{"allow":true,"access":"rwm"}]`, `[{"allow":false}]`, `[{"allow":false,"access":"rwm"}]`, `[{"allow":true}]`, `[{"allow":false,"access":"r"}]`, `[{"allow":true,"type":"a","access":"rwm"}]`}},
	{"linux.uidMappings", []string{`[]`, `[{"containerID":0,"hostID":100000,"size":65536}]`, `[{"containerID":0,"hostID":100000,"size":1}]`, `[{"containerID":1,"hostID":100000,"size":10}]`, `[{"containerID":0,"hostID":100000,"size":0}]`, `[{"containerID":0,"hostID":100000,"size":10},{"containerID":5,"hostID":200000,"size":10}]`, `[{"containerID":0,"hostID":100000,"size":10},{"containerID":10,"hostID":200000,"size":100000}]`}},
	{"linux.gidMappings", []string{`[]`, `[{"containerID":0,"hostID":100000,"size":65536}]`, `[{"containerID":0,"hostID":100000,"size":6}]`}},
	{"linux.seccomp.defaultAction", []string{`"SCMP_ACT_ALLOW"`, `"SCMP_ACT_LOG"`, `"SCMP_ACT_OTHER"`, `""`, `"SCMP_ACT_ERRNO"`}},
	{"linux.seccomp.defaultErrnoRet", []string{`1`, `38`, `0`, `4095`, `4096`}},
	{"linux.seccomp.architectures", []string{`["SCMP_ARCH_X86_64"]`, `["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"]`, `["SCMP_ARCH_AARCH64"]`, `["SCMP_ARCH_OTHER"]`, `[]`, `["SCMP_ARCH_NATIVE"]`}},
	{"linux.seccomp.flags", []string{`[]`, `["SECCOMP_FILTER_FLAG_LOG"]`, `["SECCOMP_FILTER_FLAG_TSYNC"]`, `["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]`, `["OTHER"]`}},
	{"linux.seccomp.listenerPath", []string{`""`}},
	{"hooks", []string{`{}`, `{"createRuntime":[{"path":"$PROBE","args":["x","hook","createRuntime","$BUNDLE/hooks"],"env":["A=1"]}]}`, `{"createRuntime":[{"path":"/bin/false"}]}`, `{"createContainer":[{"path":"$PROBE","args":["x","hook","createContainer","$BUNDLE/hooks"]}]}`, `{"poststart":[{"path":"/bin/false"}]}`, `{"poststop":[{"path":"$PROBE","args":["x","hook","poststop","$BUNDLE/hooks"]}]}`, `{"startContainer":[{"path":"/bin/true"}]}`, `{"startContainer":[{"path":"/missing"}]}`, `{"createRuntime":[{"path":"relative"}]}`, `{"createRuntime":[{"path":""}]}`, `{"createRuntime":[{"path":"/bin/true","timeout":0}]}`, `{"createRuntime":[{"path":"/bin/true","timeout":-1}]}`, `{"createRuntime":[{"path":"/bin/true","timeout":5}]}`, `{"prestart":[{"path":"/bin/true","args":["true"],"env":["A"]}]}`, `{"other":[]}`}},
	{"annotations.x", []string{`"y"`, `""`, `"ä\n"`}},
	{"annotations.run.oci.unknown", []string{`"1"`}},
	{"linux.namespaces.0", nil}, {"linux.namespaces.1", nil}, {"linux.namespaces.2", nil}, {"linux.namespaces.3", nil}, {"linux.namespaces.4", nil}, {"linux.namespaces.5", nil},
	{"mounts.0", nil}, {"mounts.1", nil}, {"mounts.2", nil}, {"mounts.3", nil}, {"mounts.4", nil}, {"mounts.5", nil}, {"mounts.6", nil}, {"mounts.7", nil},
	{"process", nil}, {"root", nil}, {"linux", nil}, {"linux.resources", nil}, {"linux.seccomp", nil}, {"process.user", nil},
}

// composed lists the fields with several parts, each of which is random.
var composed = []func(r *rand.Rand) (at string, value any){
	randomMount, randomMount, randomMount, randomMount, randomMountOptions, randomMountOptions, randomNamespace, randomNamespace, randomRlimit, randomRlimit,
	randomCapabilities, randomCapabilities, randomDevice, randomDevice, randomDeviceRule, randomDeviceRule, randomSysctl, randomRule, randomRule,
}

var (
	mountTargets = []string{"/mnt", "/made", "/made/deep/x", "/data", "/dir", "/dir/file", "/link-to-dir", "/link-to-dir/sub", "/link-out/y", "/tmp", "/run", "/run/x", "/dev/shm", "/dev/x", "/etc/hosts", "/mnt/../dir", "relative", "/", "", "/proc/x", "/proc/uptime", "/sys/x", "/sys/fs/cgroup", "/dev", "/var/tmp", "/probe-link"}
	bindOptions  = []string{"bind", "rbind", "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "noatime", "atime", "relatime", "norelatime", "strictatime", "nostrictatime", "nodiratime", "diratime", "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable", "sync", "async", "dirsync", "mand", "nosymfollow", "symfollow", "rro", "rrw", "rnosuid", "rsuid", "rnodev", "rnoexec", "rnoatime", "rstrictatime", "rrelatime", "rnosymfollow", "defaults", "iversion", "lazytime", "silent", "other", ""}
	tmpfsOptions = []string{"size=64k", "size=1m", "size=x", "mode=700", "mode=1777", "mode=0755", "mode=9", "uid=1000", "gid=1000", "nr_inodes=50", "nosuid", "nodev", "noexec", "ro", "rw", "strictatime", "noatime", "tmpcopyup", "private", "rslave", "shared", "rprivate", "other=1", "nosymfollow", "rro", "huge=never", "noswap", "defaults"}
)

func someOf(r *rand.Rand, from []string, most int) []string {
	out := []string{}
	for n := r.IntN(most + 1); n > 0; n-- {
		out = append(out, usual(r, from))
	}
	return out
}

// randomMount appends a mount.
func randomMount(r *rand.Rand) (string, any) {
	m := map[string]any{"destination": usual(r, mountTargets)}
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		m["type"], m["source"] = usual(r, []string{"bind", "bind", "none", ""}), usual(r, []string{"$BUNDLE/source", "$BUNDLE/source", "$BUNDLE/one-file", "source", "$BUNDLE/missing", "", "/dev/null", "$BUNDLE/rootfs/dir"})
		m["options"] = append([]string{usual(r, []string{"bind", "rbind"})}, someOf(r, bindOptions, 4)...)
	case 4, 5, 6:
		m["type"], m["source"], m["options"] = "tmpfs", usual(r, []string{"tmpfs", "shm", "", "none"}), someOf(r, tmpfsOptions, 4)
	case 7:
		m["type"], m["source"], m["options"] = "proc", "proc", someOf(r, []string{"nosuid", "noexec", "nodev", "ro", "hidepid=2", "subset=pid", "other"}, 3)
	case 8:
		kind := usual(r, []string{"mqueue", "devpts", "sysfs", "cgroup", "cgroup2", "ramfs", "nosuchfs"})
		m["type"], m["source"], m["options"] = kind, kind, someOf(r, []string{"nosuid", "noexec", "nodev", "ro", "newinstance", "relatime", "private", "rslave"}, 4)
	default:
		m["type"], m["source"], m["options"] = usual(r, []string{"tmpfs", "bind"}), "$BUNDLE/source", usual(r, []any{nil, []string{}, "ro", []any{1}})
	}
	for _, key := range []string{"destination", "type", "source", "options"} {
		if r.IntN(60) == 0 {
			delete(m, key)
		}
	}
	return "mounts.+", m
}

// randomMountOptions replaces the options of an existing mount of the shape.
func randomMountOptions(r *rand.Rand) (string, any) {
	i := r.IntN(9)
	common := []string{"nosuid", "noexec", "nodev", "ro", "rw", "relatime", "strictatime", "noatime", "private", "rprivate", "slave", "rslave", "shared"}
	options := someOf(r, common, 4)
	if i >= 7 || r.IntN(4) == 0 {
		options = append(options, usual(r, []string{"bind", "rbind", "mode=755", "newinstance", "size=65536k"}))
	}
	return fmt.Sprintf("mounts.%d.options", i), options
}

func randomNamespace(r *rand.Rand) (string, any) {
	n := map[string]any{"type": usual(r, []string{"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time", "other", ""})}
	if r.IntN(4) == 0 {
		n["path"] = usual(r, []string{"/missing", "/dev/null", "", "relative", "$BUNDLE/one-file"})
	}
	return pick(r, []string{"linux.namespaces.+", "linux.namespaces.+", "linux.namespaces.1", "linux.namespaces.3"}), n
}

// randomRlimit omits the limits that the probe needs.
func randomRlimit(r *rand.Rand) (string, any) {
	kind := usual(r, []string{"NOFILE", "NOFILE", "CORE", "FSIZE", "MEMLOCK", "SIGPENDING", "MSGQUEUE", "LOCKS", "NICE", "RTPRIO", "RTTIME", "OTHER", "nofile"})
	limits := []any{0, 64, 100, 1024, 1025, 4096, 1000000, uint64(1) << 40, ^uint64(0), -1}
	if kind == "FSIZE" || kind == "NOFILE" {
		limits = limits[1:]
	}
	return usual(r, []string{"process.rlimits.+", "process.rlimits.+", "process.rlimits.0"}), map[string]any{"type": usual(r, []string{"RLIMIT_", "RLIMIT_", "RLIMIT_", ""}) + kind, "soft": pick(r, limits), "hard": pick(r, limits)}
}

func randomCapabilities(r *rand.Rand) (string, any) {
	names := append([]string{"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_RESOURCE", "CAP_BPF", "CAP_OTHER", "cap_kill", "KILL", "", "CAP_ALL"}, defaultCapabilities...)
	return "process.capabilities." + usual(r, []string{"bounding", "effective", "permitted", "inheritable", "ambient", "other"}), someOf(r, names, 5)
}

// deviceNumbers lists null, zero, full, random, urandom, tty, fuse, a loop device that is not set up,
// and two devices that do not exist.
var deviceNumbers = [][2]int64{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {10, 229}, {7, 200}, {250, 250}, {1, 300}}

func randomDevice(r *rand.Rand) (string, any) {
	numbers := pick(r, deviceNumbers)
	d := map[string]any{
		"path": usual(r, []string{"/dev/x", "/dev/sub/x", "/dev/null", "/dev/zero", "/made/device", "/data", "relative", "", "/dev/pts/x", "/dev/fd", "/link-to-dir/device"}),
		"type": usual(r, []string{"c", "c", "c", "u", "b", "p", "d", ""}), "major": numbers[0], "minor": numbers[1],
	}
	for key, values := range map[string][]any{"fileMode": {0o666, 0o600, 0, 0o7777, 0o20666, 0o20600, 0o100666}, "uid": {0, 1000, 70000}, "gid": {0, 5, 1000}} {
		if v := usual(r, values); r.IntN(2) == 0 {
			d[key] = v
		}
	}
	return "linux.devices.+", d
}

func randomDeviceRule(r *rand.Rand) (string, any) {
	rule := map[string]any{"allow": r.IntN(2) == 0, "access": usual(r, []string{"rwm", "r", "w", "m", "rw", "mr", "", "x", "rrr"})}
	if kind := usual(r, []string{"c", "b", "a", "", "p", "other"}); kind != "" {
		rule["type"] = kind
	}
	if r.IntN(3) > 0 {
		rule["major"] = usual(r, []any{1, 5, 7, 10, 136, -1, 0, 99999})
	}
	if r.IntN(3) > 0 {
		rule["minor"] = usual(r, []any{0, 3, 5, 229, -1, 99999})
	}
	return usual(r, []string{"linux.resources.devices.+", "linux.resources.devices.+", "linux.resources.devices.0"}), rule
}

// randomSysctl returns a sysctl of the network and IPC namespaces, or a name that does not exist.
func randomSysctl(r *rand.Rand) (string, any) {
	name := usual(r, []string{"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net/ipv4/conf/lo/forwarding", "net.ipv4.ip_unprivileged_port_start", "kernel.msgmax", "kernel.shm_rmid_forced", "fs.mqueue.msg_max", "net.core.somaxconn", "net.none", "kernel.none", "none", "net", "net..ipv4", "fs.mqueue.none"})
	return "linux.sysctl", map[string]any{name: usual(r, []any{"1", "0", "100", "-1", "x", "", "99999999999", " 1 ", "1\n", 1})}
}

// randomRule adds a rule to the filter. It does not affect the system calls that the probe needs.
func randomRule(r *rand.Rand) (string, any) {
	rule := map[string]any{
		"names":  append(someOf(r, []string{"chmod", "mkdir", "personality", "mount", "setuid", "there_is_none", "umount2", "unshare", "socketcall", "clone3"}, 2), usual(r, []string{"chmod", "mkdir", "personality"})),
		"action": usual(r, []string{"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_OTHER", "SCMP_ACT_TRACE"}),
	}
	if r.IntN(2) == 0 {
		rule["errnoRet"] = usual(r, []any{1, 13, 38, 0, 4095, 70000})
	}
	var args []any
	for n := r.IntN(3); n > 0; n-- {
		args = append(args, map[string]any{
			"index": usual(r, []any{0, 0, 1, 5, 6}), "value": usual(r, []any{0, 8, 9, 255, uint64(1) << 40, ^uint64(0)}), "valueTwo": usual(r, []any{0, 8, 255}),
			"op": usual(r, []string{"SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ", "OTHER"}),
		})
	}
	if args != nil {
		rule["args"] = args
	}
	if r.IntN(3) == 0 { // a small profile instead of another rule for the shape's profile
		return "linux.seccomp", map[string]any{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []any{rule}}
	}
	return "linux.seccomp.syscalls.+", rule
}
