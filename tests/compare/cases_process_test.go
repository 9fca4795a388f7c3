// Cases: user, groups, capabilities, limits, environment, working directory, argument vector.
package compare

import (
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func capabilities(bounding, permitted, effective, inheritable, ambient []string) func(*bundle) {
	return func(b *bundle) {
		b.spec.Process.Capabilities = &specs.LinuxCapabilities{Bounding: bounding, Permitted: permitted, Effective: effective, Inheritable: inheritable, Ambient: ambient}
	}
}

func nonroot(set func(*bundle)) func(*bundle) {
	return func(b *bundle) {
		b.spec.Process.User = specs.User{UID: 1000, GID: 1000}
		if set != nil {
			set(b)
		}
	}
}

// lacksSysResource is for two cases that test what the kernel rejects only on a machine without
// CAP_SYS_RESOURCE.
func lacksSysResource() string {
	if status := readOr("/proc/self/status"); !glob("*CapEff:\t*fffeffffff\n*", status) {
		return "needs a machine without CAP_SYS_RESOURCE"
	}
	return ""
}

func environment(entries ...string) func(*bundle) {
	return func(b *bundle) { b.spec.Process.Env = entries }
}

// program sets a program without arguments. It must not run.
func program(name string) func(*bundle) {
	return func(b *bundle) { b.spec.Process.Args = []string{name} }
}

// behindClosedDirectory moves the probe to a directory that only root may enter.
func behindClosedDirectory(set func(*bundle)) func(*bundle) {
	return func(b *bundle) {
		b.mkdir("closed", 0o700)
		b.check(os.Rename(filepath.Join(b.root, "probe"), filepath.Join(b.root, "closed/probe")))
		b.spec.Process.Args = []string{"/closed/probe"}
		if set != nil {
			set(b)
		}
	}
}

var override = []string{"CAP_DAC_OVERRIDE"}

var (
	some = []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"}
	kill = []string{"CAP_KILL"}
)

var processCases = []testCase{
	{name: "user", set: nonroot(nil), want: map[string]string{"in.uid": "1000 1000 1000", "in.env.HOME": `"/home/user"`, "in.status.CapEff": "0000000000000000", "in.status.CapBnd": "0000000020000420"}},
	{name: "user-unknown", set: func(b *bundle) { b.spec.Process.User = specs.User{UID: 4711, GID: 4712} }, want: map[string]string{"in.uid": "4711 4711 4711"}},
	{name: "user-additional-groups", set: func(b *bundle) {
		b.spec.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{2000, 5, 2000, 1000, 77}}
	}},
	{name: "root-additional-groups", set: func(b *bundle) { b.spec.Process.User.AdditionalGids = []uint32{10, 20, 0} }},
	{name: "user-umask", set: func(b *bundle) { b.spec.Process.User.Umask = pointer(uint32(0o027)) }, want: map[string]string{"in.umask": "0027"}},
	{name: "umask-zero", set: func(b *bundle) { b.spec.Process.User.Umask = pointer(uint32(0)) }, want: map[string]string{"in.umask": "0000"}},
	{name: "no-capabilities", set: capabilities(nil, nil, nil, nil, nil), want: map[string]string{"in.status.CapEff": "0000000000000000", "in.status.CapBnd": "0000000000000000"}},
	{name: "capabilities-null", set: func(b *bundle) { b.spec.Process.Capabilities = nil }},
	{name: "capabilities-all-sets", set: capabilities(some, some, some, some, some)},
	{name: "capabilities-bounding-only", set: capabilities(some, nil, nil, nil, nil)},
	{name: "capabilities-effective-part", set: capabilities(some, some, kill, nil, nil)},
	{name: "capabilities-inheritable", set: capabilities(some, some, some, kill, nil)},
	{name: "capabilities-nonroot", set: nonroot(capabilities(some, some, some, nil, nil)), want: map[string]string{"in.status.CapEff": "0000000000000000"}},
	{name: "capabilities-nonroot-ambient", set: nonroot(capabilities(some, some, some, kill, kill)), want: map[string]string{"in.status.CapAmb": "0000000000000020", "in.status.CapEff": "0000000000000020"}},
	{name: "capabilities-nonroot-ambient-not-inheritable", set: nonroot(capabilities(some, some, some, nil, kill))},
	{name: "capabilities-unknown", set: capabilities([]string{"CAP_KILL", "CAP_THERE_IS_NONE"}, []string{"CAP_KILL", "CAP_THERE_IS_NONE"}, kill, nil, nil), want: map[string]string{"in.status.CapEff": "0000000000000020"}},
	{name: "capabilities-lower-case", set: capabilities([]string{"cap_kill"}, []string{"cap_kill"}, []string{"cap_kill"}, nil, nil)},
	{name: "capabilities-not-held", plain: true, needs: lacksSysResource, set: func(b *bundle) {
		capabilities([]string{"CAP_KILL", "CAP_SYS_RESOURCE"}, []string{"CAP_KILL", "CAP_SYS_RESOURCE"}, kill, nil, nil)(b)
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": ""}},
	{name: "new-privileges-allowed", set: func(b *bundle) { b.spec.Process.NoNewPrivileges = false }, want: map[string]string{"in.status.NoNewPrivs": "0"}},
	{
		name: "set-uid-program", // the probe itself is set-user-ID root, started by user 1000
		set: nonroot(func(b *bundle) {
			b.check(os.Chmod(filepath.Join(b.root, "probe"), 0o755|os.ModeSetuid))
			b.spec.Process.NoNewPrivileges = false
			b.spec.Process.Capabilities.Ambient = nil
		}),
		want: map[string]string{"in.uid": "1000 0 0"},
	},
	{
		name: "rlimits",
		set: func(b *bundle) {
			limit := func(name string, soft, hard uint64) specs.POSIXRlimit {
				return specs.POSIXRlimit{Type: name, Soft: soft, Hard: hard}
			}
			b.spec.Process.Rlimits = []specs.POSIXRlimit{
				limit("RLIMIT_NOFILE", 512, 600), limit("RLIMIT_CORE", 0, 0), limit("RLIMIT_NPROC", 1000, 2000), limit("RLIMIT_STACK", 4<<20, 8<<20), limit("RLIMIT_FSIZE", 1<<30, 1<<40),
				limit("RLIMIT_MEMLOCK", 4096, 8192), limit("RLIMIT_SIGPENDING", 100, 200), limit("RLIMIT_MSGQUEUE", 1000, 2000), limit("RLIMIT_CPU", 100, 200), limit("RLIMIT_DATA", 1<<40, 1<<41),
				limit("RLIMIT_RSS", 1<<40, 1<<41), limit("RLIMIT_AS", 1<<45, 1<<46), limit("RLIMIT_LOCKS", 10, 20), limit("RLIMIT_RTTIME", 1000000, 2000000),
			}
		},
		want: map[string]string{"in.rlimit.NOFILE": "512 600", "in.rlimit.FSIZE": "1073741824 1099511627776", "in.rlimit.SIGPENDING": "100 200"},
	},
	{name: "rlimits-none", set: func(b *bundle) { b.spec.Process.Rlimits = nil }},
	{name: "rlimit-unlimited", set: func(b *bundle) {
		b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Soft: ^uint64(0), Hard: ^uint64(0)}}
	}, want: map[string]string{"in.rlimit.CORE": "unlimited unlimited"}},
	{name: "rlimit-raised", plain: true, // no CAP_SYS_RESOURCE here: it must fail, not be ignored
		needs: lacksSysResource,
		set: func(b *bundle) {
			b.spec.Process.Args = []string{"true"}
			b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 30000, Hard: 30000}}
		}, want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": ""}},
	{name: "rlimit-unknown", plain: true, set: func(b *bundle) {
		b.spec.Process.Args = []string{"true"}
		b.spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_THERE_IS_NONE", Soft: 1, Hard: 1}}
	}, want: map[string]string{"stderr.empty": "false"}},
	{name: "rlimit-twice", plain: true, set: func(b *bundle) {
		b.spec.Process.Args = []string{"true"}
		b.spec.Process.Rlimits = append(b.spec.Process.Rlimits, specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Soft: 100, Hard: 100})
	}},
	{name: "oom-score-adj", set: func(b *bundle) { b.spec.Process.OOMScoreAdj = pointer(321) }, want: map[string]string{"in.proc.oom_score_adj": "321"}},
	{name: "env-home-given", set: environment("HOME=/elsewhere", "PATH=/bin"), want: map[string]string{"in.env.HOME": `"/elsewhere"`}},
	{name: "env-home-empty", set: environment("HOME=", "PATH=/bin")},
	{name: "env-duplicates", set: environment("A=1", "PATH=/bin", "B=2", "A=3"), want: map[string]string{"in.env.A": `"*"`}},
	{name: "env-odd-values", set: environment("PATH=/bin", "EMPTY=", "SPACES= a b ", "NEWLINE=a\nb", "EQUALS=a=b=c", "UTF=ä€", "lower.case-dash=1"), want: map[string]string{"in.env.EQUALS": `"a=b=c"`, "in.env.EMPTY": `""`}},
	{name: "env-without-equals", plain: true, set: func(b *bundle) {
		b.spec.Process.Env = []string{"PATH=/bin", "NAMEONLY"}
		b.spec.Process.Args = []string{"env"}
	}},
	{name: "env-none", set: environment()},
	{name: "env-user-home", set: nonroot(environment("PATH=/bin", "USER=someone")), want: map[string]string{"in.env.HOME": `"/home/user"`}},
	{name: "no-passwd", set: nonroot(func(b *bundle) { b.check(os.Remove(filepath.Join(b.root, "etc/passwd"))) })},
	{name: "cwd", set: func(b *bundle) { b.spec.Process.Cwd = "/var/tmp" }, want: map[string]string{"in.cwd": "/var/tmp"}},
	{name: "cwd-missing", set: func(b *bundle) {
		b.spec.Process.Cwd = "/made/for/it"
		b.spec.Root.Readonly = false
	}, ask: ask{Stat: []string{"/made", "/made/for/it"}}, want: map[string]string{"in.cwd": "/made/for/it"}},
	{name: "cwd-missing-read-only-root", plain: true, set: func(b *bundle) {
		b.spec.Process.Cwd = "/made/for/it"
		b.spec.Process.Args = []string{"pwd"}
	}},
	{name: "cwd-missing-nonroot", set: nonroot(func(b *bundle) {
		b.spec.Process.Cwd = "/made"
		b.spec.Root.Readonly = false
	}), ask: ask{Stat: []string{"/made"}}},
	{name: "cwd-not-permitted", plain: true, set: nonroot(func(b *bundle) {
		b.mkdir("closed", 0o700)
		b.spec.Process.Cwd = "/closed"
		b.spec.Process.Args = []string{"pwd"}
		b.spec.Process.Capabilities = nil
	})},
	{name: "cwd-on-tmpfs", set: func(b *bundle) {
		b.mount("/work", "tmpfs", "tmpfs", "size=64k")
		b.spec.Process.Cwd = "/work/dir"
	}},
	{name: "cwd-relative", plain: true, set: func(b *bundle) {
		b.spec.Process.Cwd = "tmp"
		b.spec.Process.Args = []string{"pwd"}
	}, want: map[string]string{"stderr.empty": "false"}},
	{name: "args-many", set: func(b *bundle) {
		b.spec.Process.Args = []string{"/probe", "", "two words", "$HOME", "a\nb", "--", "-x"}
	}, want: map[string]string{"in.argv": `"/probe" "" "two words" "$HOME" "a\nb" "--" "-x"`}},
	{name: "args-by-path-search", set: func(b *bundle) {
		b.check(os.Rename(filepath.Join(b.root, "probe"), filepath.Join(b.root, "usr/bin/finder")))
		b.spec.Process.Args = []string{"finder"}
		b.spec.Process.Env = []string{"PATH=/none:/usr/bin:/bin"}
	}, want: map[string]string{"in.argv": `"finder"`, "in.proc.exe": "/usr/bin/finder"}},
	{name: "args-relative-with-slash", set: func(b *bundle) {
		b.spec.Process.Cwd = "/usr"
		b.spec.Process.Args = []string{"../probe"}
	}, want: map[string]string{"in.argv": `"../probe"`}},
	{name: "args-script", plain: true, set: func(b *bundle) {
		b.file("script", "#!/bin/sh -e\necho \"$0 $1 $#\"\nexit 7\n", 0o755)
		b.spec.Process.Args = []string{"/script", "one"}
	}, want: map[string]string{"stdout": "/script one 1\n", "exit": "7"}},
	{name: "args-empty-string", plain: true, set: program("")},
	{name: "args-dot", plain: true, set: program(".")},
	{name: "args-dot-dot", plain: true, set: program("..")},
	{name: "args-root-directory", plain: true, set: program("/")},
	{name: "args-directory", plain: true, set: program("/tmp")},
	{name: "args-directory-in-path", plain: true, set: func(b *bundle) {
		b.spec.Process.Env = []string{"PATH=/:/bin"}
		program("tmp")(b)
	}},
	{name: "args-below-a-file", plain: true, set: program("/bin/sh/x")},
	{name: "args-not-executable", plain: true, set: func(b *bundle) {
		b.file("plain", "#!/bin/sh\n", 0o644)
		program("/plain")(b)
	}},
	{name: "args-on-a-noexec-mount", plain: true, set: func(b *bundle) {
		b.mount("/v", "bind", filepath.Join(b.root, "bin"), "bind", "noexec")
		program("/v/sh")(b)
	}},
	{name: "program-behind-a-closed-directory", plain: true, set: nonroot(behindClosedDirectory(nil))},
	{name: "program-behind-a-closed-directory-effective", set: nonroot(behindClosedDirectory(func(b *bundle) {
		capabilities(override, override, override, nil, nil)(b)
	})), want: map[string]string{"in.status.CapEff": "0000000000000000"}},
	{name: "program-behind-a-closed-directory-ambient", set: nonroot(behindClosedDirectory(func(b *bundle) {
		capabilities(override, override, override, override, override)(b)
	})), want: map[string]string{"in.status.CapEff": "0000000000000002"}},
	{name: "program-behind-a-closed-directory-permitted", plain: true, set: nonroot(behindClosedDirectory(func(b *bundle) {
		capabilities(override, override, nil, nil, nil)(b)
	}))},
	{name: "status-of-a-plain-program", plain: true, set: func(b *bundle) { // the process has nothing of ours
		b.spec.Process.Args = []string{"grep", "-E", "^(Name|Umask|Uid|Gid|Groups|Sig[PBIC]|Shd|Cap|NoNew|Seccomp|Threads|FDSize)", "/proc/self/status"}
	}},
	{name: "limits-of-a-plain-program", plain: true, set: func(b *bundle) { b.spec.Process.Args = []string{"cat", "/proc/self/limits"} }},
}
