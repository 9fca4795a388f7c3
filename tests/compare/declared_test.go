// Deliberate differences between minirun and runc, and the reasons.
package compare

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A declaration is a list of differences in the cases whose name matches.
type declaration struct {
	cases  string // * matches any text
	fields []allowed
}

// declarationsHere returns the declarations for this machine's version of cgroups.
func declarationsHere() []declaration {
	if onV2() {
		return slices.Concat(declarations, declarationsV2)
	}
	return declarations
}

func declaredFor(name string) (out []allowed) {
	for _, d := range declarationsHere() {
		if glob(d.cases, name) {
			out = append(out, d.fields...)
		}
	}
	return out
}

// unneeded lists the declarations that matched no difference in any case. Either they hide a
// regression, or the case that needed them was skipped.
func unneeded(needed map[allowed]bool) string {
	var lines []string
	for _, d := range declarationsHere() {
		for _, a := range d.fields {
			if !needed[a] {
				lines = append(lines, fmt.Sprintf("%s: %s = %q: %s", d.cases, a.field, a.want, a.reason))
			}
		}
	}
	return strings.Join(lines, "\n")
}

// refusedByRunc declares a container that runc rejects and minirun runs.
func refusedByRunc(reason string) []allowed {
	return []allowed{
		{"exit", "0", reason}, {"pid-file.exists", "true", reason}, {"stderr.empty", "true", reason}, {"stdout", "*", reason},
	}
}

// refusedByMinirun declares a container that runc runs and minirun rejects.
func refusedByMinirun(reason string) []allowed {
	return []allowed{
		{"exit", "1", reason}, {"pid-file.exists", "false", reason}, {"stderr.empty", "false", reason}, {"stdout", "*", reason},
	}
}

const (
	hostNull     = "masks are the host's /dev/null: the container's may have been replaced by its image (CVE-2025-31133)"
	callersOwn   = "the caller's own descriptor, which is root's, instead of a pipe that the runtime copies"
	ownerStays   = "the caller's pipe stays the caller's: all may open the container's end of it instead"
	boundInOrder = "devices are bound in the order of runtime-linux.md's list"
	emptyFirst   = "since Linux 6.8 the table is sorted by mount IDs; before 6.15 the first directory gets the empty tmpfs itself, not a clone"
	keyring      = "runc joins the keyring with ids of the host, so the container's root is not its owner"
	openDefaults = "the default devices stay open when config.json makes one of them itself, as in crun"
	hookOutput   = "the output of hooks inside goes into a file in memory, which needs no reader; runc collects it in a pipe"
	hookEnds     = "a hook ends when minirun is killed, so that nothing of a container is left"
	unifiedPath  = "a default cgroup is below minirun's own in every hierarchy; runc forgets the v2 tree of a hybrid host"
	noCgroup     = "no cgroup could be made: minirun says so, runc leaves it out quietly"
	rootPrivate  = "a mount below the root file system is private, as the root is; runc leaves it a slave, so that what the host mounts below it appears"
	hostsDevice  = "a device of the host is bound read-only, so that its mode and owner stay; it can be written to"
	bareBind     = "a bind mount without a propagation option stays a slave of the host's mount, so that the host can unmount it everywhere; runc makes it private"
	execFails    = "minirun says why the program could not be executed, and ends as after any other failure; runc's status is that of its first process"
	keptGroups   = "a group that is given twice is one group"
	rootAtCgroup = "the tmpfs of a read-only cgroup mount is read-only too: config.json asked for it"
)

// equivalences apply to all cases.
var equivalences = []equivalence{
	{"in.mount.*.super", func(runc, it string) bool { return modeOption.ReplaceAllString(runc, "") == it },
		"runc gives a tmpfs the mode of the directory below with mode=, minirun with chmod(2); the mode itself is compared too"},
	{"in.mount.*.source", func(runc, _ string) bool { return runc == "" }, "a mount without a source shows its type as the source"},
	{"*cgroup..cgroup.controllers", func(runc, it string) bool { return runc != "" && it == "" }, unifiedPath},
}

var modeOption = regexp.MustCompile(`,mode=\d+`)

const (
	hostTree  = "without a cgroup namespace it is the host's mount, bound; runc mounts the tree anew"
	moreStats = "runc does not report the cpuset, memory.events and the kernel's memory on cgroup v2"
	noTasks   = "config.json asks for no limit: as crun; runc leaves systemd's default"
	vanishes  = "a scope whose container was killed is collected too"
	devices   = "the device program is minirun's: systemd has none of its own to put in its place"
	ofScope   = "in a session the container gets a scope of the user's systemd, asked for or not; runc gives it no cgroup"
	skipping  = "runc warns of a device that it cannot describe to systemd"
	noSuch    = "cgroup v2 has no equivalent: minirun refuses what would have no effect, as crun"
)

// declarationsV2 lists the differences that exist only on cgroup v2.
var declarationsV2 = []declaration{
	{"*", []allowed{
		{"in.mount./sys/fs/cgroup.source", "cgroup2", hostTree}, {"in.mount./sys/fs/cgroup.propagation", "master", hostTree}}},
	{"memory-oom-kill-disabled", refusedByMinirun(noSuch)}, {"network-class", refusedByMinirun(noSuch)},
	{"life-update-from-a-file", []allowed{{"did.0 update.cgroup..memory.swap.max", "", "a new memory limit leaves swap as it was, as with --memory; from a file, runc computes it again"}}},
	{"systemd-life-update", []allowed{{"did.10 update.unit.AllowedCPUs", "", "CPUs that the machine does not have are refused before systemd gets the list"}}},
	{"session-systemd*", []allowed{{"in.mounts.order", "*", boundInOrder}, {"in.fd.*.owner", "65534:65534 106*", callersOwn},
		{"did.3 exec.stdout", "0::/\n", "runc leaves a user's exec in the caller's cgroup, out of the container's limits"}}},
	{"*", []allowed{
		{"did.*events.stdout.data.memory.events.*", "number", moreStats}, {"did.*events.stdout.data.cpuset.*", "list", moreStats},
		{"did.*events.stdout.data.memory.kernel*.limit", "0", moreStats}, {"did.*events.stdout.data.memory.kernel*", "number", moreStats},
	}},
	{"*life-update", []allowed{
		{"did.0 update.cgroup..memory.swap.max", "", "what is not given stays as it is; runc keeps the sum of memory and swap"},
		{"did.7 update.cgroup..cpu.max", "max 50000", "the period stays what it was"},
	}},
	{"*systemd*", []allowed{
		{"out.cgroup..pids.max", "max", noTasks}, {"unit.TasksMax", "infinity", noTasks}, {"unit.CollectMode", "inactive-or-failed", vanishes},
		{"unit.DevicePolicy", "auto", devices}, {"stderr.empty", "true", skipping},
	}},
	{"systemd-default-path", []allowed{{"unit.name", "minirun-$ID.scope", "the prefix is the runtime's name"}, {"out.cgroup..path", "/system.slice/minirun-$ID.scope", "as above"}}},
	{"systemd-no-prefix", []allowed{{"unit.name", "$ID.scope", "a prefix that is empty needs no dash"}, {"out.cgroup..path", "/system.slice/$ID.scope", "as above"}}},
	{"systemd-limits-all-together", []allowed{{"unit.MemorySwapMax", "0", "no swap is a limit too: runc does not set it in systemd, which would drop it at a reload"}}},
	{"unprivileged*", []allowed{{"out.cgroup..*", "*", ofScope}, {"unit.*", "*", ofScope}, {"in.mount./sys/fs/cgroup*", "*", ofScope}, {"stderr.empty", "true", ofScope}}},
	{"devices-hole", refusedByRunc("a rule with a hole in an earlier one: a device program can say it, as crun's does")},
}

// boundDevices is for containers that may not create device nodes.
var boundDevices = []allowed{
	{"in.mount./dev/*.options", "ro,*", hostsDevice}, {"in.mount./dev/*.propagation", "*", hostsDevice}, {"in.statfs./dev/null", "*", hostsDevice},
}

var declarations = []declaration{
	{"*user*", boundDevices}, {"unprivileged*", boundDevices},
	{"*", []allowed{
		{"in.mount./proc/keys.*", "*", hostNull}, {"in.mount./proc/kcore.*", "*", hostNull},
		{"in.dev./dev/core", "(absent)", "a link to /proc/kcore, which is masked or not to be read"},
		{"hook.*.rlimit.MEMLOCK", "*", "runc raises its own limit for eBPF on kernels before 5.11, and its hooks inherit that"},
		{"in.mount./proc/timer_list.*", "*", hostNull},
		{"in.fd.0.owner", "* 10644", ownerStays}, {"in.fd.1.owner", "* 10622", ownerStays}, {"in.fd.2.owner", "* 10622", ownerStays},
		{"in.mount./sys/fs/cgroup.options", "ro,*", rootAtCgroup}, {"in.mount./sys/fs/cgroup#2.options", "ro,*", rootAtCgroup}, {"in.readonly./sys/fs/cgroup", "EROFS", rootAtCgroup},
		{"hook.*.prctl.pdeathsig", "9 ok", hookEnds},
		{"left.cgroups", "cgroup : $SELF/$ID | *", unifiedPath},
		{"*cgroup.", "*/$ID", unifiedPath}, {"*cgroup..path", "*/$ID", unifiedPath},
		{"*cgroup..hugetlb.*", "(absent)", unifiedPath},
		{"in.mount./sys/fs/cgroup/systemd.source", "cgroup", "the first argument of mount(2) is free; minirun says cgroup for every hierarchy"},
	}},
	{"*", []allowed{
		{"in.mount.*.propagation", "master", bareBind}, {"in.mount.*.propagation", "shared master", bareBind},
		{"hook.createContainer.rlimit.*", "*", "process.rlimits are the program's; runc 1.5 sets them before these hooks"},
	}},
	{"root-with-mount-below", []allowed{{"in.mount./mnt/below.propagation", "*", rootPrivate}}},
	{"hook-fails-start-container", []allowed{{"exit", "1", execFails}}},
	{"command-interpreter-missing", []allowed{{"exit", "1", execFails}}}, {"command-not-a-program", []allowed{{"exit", "1", execFails}}},
	{"join-user-with-maps-given", []allowed{{"stderr.empty", "true", "maps next to a namespace to join are what Kubernetes gives: they are compared with those of the namespace, and no warning is needed"}}},
	{"odd-surroundings", []allowed{{"in.status.SigIgn", "0000000000000000", "now and then runc passes an ignored SIGHUP on: it depends on when it has set up its own signals"}}},
	{"user-additional-groups", []allowed{{"*roups", "*", keptGroups}}},
	{"capabilities-null", []allowed{{"*.status.Cap*", "0000000000000000", "no capabilities are given, so there are none, as in crun; runc 1.5 leaves the program all that it has itself"}}},
	{"env-none", []allowed{{"in.env.HOME", "*", "HOME is filled in as in any other environment"}, {"in.env.order", "HOME", "as above"}}},
	{"masked-paths", []allowed{{"in.mount./secret/file*", "*", hostNull}}},
	{"*", []allowed{{"in.keyring.session", "keyring;0;0;3f1b0000;_ses.$ID", keyring}}},
	{"*", []allowed{{"in.status.SigIgn", noneIgnored, ignoredSignals}, {"hook.*.status.SigIgn", noneIgnored, ignoredSignals}}},
	{"*", []allowed{
		{"in.dev./dev/mqueue", "dir 1777 0:0", "runc makes the IPC namespace before it is group 0 of the user namespace"},
		{"in.path./dev/mqueue", "dir 1777 0:0", "runc makes the IPC namespace before it is group 0 of the user namespace"},
		{"in.stat./dev/mqueue", "dir 1777 0:0", "runc makes the IPC namespace before it is group 0 of the user namespace"},
	}},
	{"*user*", []allowed{{"in.mounts.order", "*", boundInOrder}}},
	{"masked-paths", []allowed{{"in.mounts.order", "*/secret-dir /secret/file *", emptyFirst}}},
	{"field-masked-nested", []allowed{{"in.mounts.order", "* /dir /dir/file*", emptyFirst}}},
	{"life-exec", []allowed{{"did.0 exec.stdout", "::$SELF/$ID*", unifiedPath}}},
	{"unprivileged*", []allowed{{"in.mounts.order", "*", boundInOrder}, {"stderr.empty", "false", noCgroup},
		{"in.fd.*.owner", "65534:65534 106*", callersOwn}}},
	{"device-over-default", []allowed{
		{"in.dev./dev/zero", "char 0600 0:0 dev 1:5 open ok", openDefaults}, {"out.cgroup.devices.devices.list", "*c 1:5 rwm*", openDefaults},
	}},
	{"cgroups-path-relative", []allowed{{"*.cgroup parents", "*", unifiedPath}}},
	{"listen-fds", []allowed{
		{"in.env.LISTEN_FDS", `"2"`, "sd_listen_fds(3) needs it; runc passes the sockets on only if LISTEN_PID names it"},
		{"in.env.LISTEN_PID", `"1"`, "as above"}, {"in.env.order", "*", "as above"},
		{"in.fd.*", "*", "as above"},
	}},
	{"root-by-symlink", refusedByRunc("a symbolic link to the root is followed, as by crun; runc wants it resolved")},
	{"config-version-unknown", refusedByMinirun("runtime.md: a runtime MUST generate an error for a version it does not support")},
	{"command-interpreter-missing", []allowed{{"pid-file.exists", "false", "the process it would name is gone"}}},
	{"command-not-a-program", []allowed{{"pid-file.exists", "false", "the process it would name is gone"}}},
	{"cgroups-path-relative-dotdot", refusedByMinirun("a path with .. could leave the cgroup tree, as it does with crun")},
	{"cgroups-path-relative-dotdot", []allowed{{"*.cgroup parents", "*", "as above"}}},
	{"rlimit-twice", refusedByMinirun("config.md: \"if rlimits contains duplicated entries with same type, the runtime MUST generate an error\"")},
	{"status-of-a-plain-program", []allowed{{"stdout", "*", "FDSize and SigQ: how many descriptors and signals the caller had room for"}}},
	{"hook-fails-start-container", []allowed{{"pid-file.exists", "false", "the process it would name is gone"}}},
	{"hook-fails-poststop", []allowed{{"hooks.order", "poststop-after-the-failing-one", "runtime.md: the remaining poststop hooks run all the same"}}},
	{"terminal-without-devpts", []allowed{{"stdout", "*", "the words of the error"}}},
	{"hook-relative-program", []allowed{{"hook.poststop.*", "", "config.md: a hook's path must be absolute; minirun makes nothing, so nothing ends"}, {"hooks.order", "", "as above"}}},
	{"hook-missing-program", []allowed{{"hook.*.fd.2.target", "*", hookOutput}}},
	{"hook-timeout", []allowed{{"hook.*.fd.2.target", "*", hookOutput}}},
	{"hook-fails-*", []allowed{{"hook.*.fd.2.target", "*", hookOutput},
		{"hook.poststop-after-the-failing-one.*", "*", "runtime.md: the remaining poststop hooks run all the same"}}},
	{"hooks-*", []allowed{
		{"hook.*.keyring.session", "keyring;0;0;3f1b0000;_ses.$ID", keyring},
		{"hook.*.fd.0.owner", "65534:65534 10600", "the pipe with the state is the host's; it is open already"},
		{"hook.prestart*.state.status", "created", "config.md: prestart hooks are part of createRuntime, whose containers are created; as crun"},
		{"hook.poststart.state.status", "running", "runtime.md: the program has started; runc says created"},
		{"hook.*.fd.2.target", "*", hookOutput}, {"hook.*Container.fd.1.*", "*", hookOutput}, {"hook.*Container.fd.2.*", "*", hookOutput}, {"hook.*.fd.*", "(absent)", "runc leaks descriptors into createContainer hooks"},
		{"hook.*.fd.open", "0 1 2", "runc leaks descriptors into createContainer hooks"}}},
}

// Which signals the tests' caller ignores depends on how they are run: signal 32 under make.
const (
	noneIgnored    = "0000000000000000"
	ignoredSignals = "every program begins with the default action of every signal; runc passes on some that its caller ignored"
)
