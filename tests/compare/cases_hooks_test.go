// Cases: hooks, seccomp.
package compare

import (
	"path/filepath"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// recorder returns a hook that runs the probe, which appends a record of its call to $BUNDLE/hooks.
func recorder(b *bundle, kind string, more ...string) specs.Hook {
	return specs.Hook{Path: box.probe, Args: append([]string{"recorder", "hook", kind, filepath.Join(b.dir, "hooks")}, more...)}
}

// inContainer does the same for hooks whose program is looked up inside the container;
// $BUNDLE/records is bind-mounted on /records there.
func inContainer(b *bundle, kind string) specs.Hook {
	return specs.Hook{Path: "/probe", Args: []string{"recorder", "hook", kind, "/records"}}
}

// failing returns a hook that exits with status 3.
func failing() specs.Hook { return specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "exit 3"}} }

func hookCase(name string, set func(*bundle, *specs.Hooks)) testCase {
	return testCase{name: name, set: func(b *bundle) {
		b.spec.Hooks = &specs.Hooks{}
		empty := ""
		b.mount("/records", "bind", b.addSource("hooks", &empty), "bind", "rw")
		set(b, b.spec.Hooks)
	}}
}

// failingHookCase: the container must not run (but must run if the hook is poststart or poststop),
// and later effects are compared.
func failingHookCase(name string, set func(*bundle, *specs.Hooks)) testCase {
	c := hookCase(name, func(b *bundle, h *specs.Hooks) {
		b.spec.Process.Args = []string{"echo", "the container ran"}
		h.Poststop = []specs.Hook{recorder(b, "poststop")}
		set(b, h)
	})
	c.plain = true
	return c
}

var hookCases = []testCase{
	func() testCase {
		c := hookCase("hooks-all", func(b *bundle, h *specs.Hooks) {
			h.Prestart = []specs.Hook{recorder(b, "prestart"), recorder(b, "prestart-second", "extra argument")}
			h.CreateRuntime = []specs.Hook{recorder(b, "createRuntime")}
			h.CreateContainer = []specs.Hook{recorder(b, "createContainer")}
			h.StartContainer = []specs.Hook{inContainer(b, "startContainer")}
			h.Poststart = []specs.Hook{recorder(b, "poststart")}
			h.Poststop = []specs.Hook{recorder(b, "poststop"), recorder(b, "poststop-second")}
		})
		c.want = map[string]string{
			"hooks.order": "prestart prestart-second createRuntime createContainer poststart poststop poststop-second", "hooks.startContainer after": "createContainer",
			"hook.prestart.ns.mnt": "host", "hook.createContainer.ns.mnt": "container", "hook.startContainer.ns.pid": "container", "hook.prestart.hook.stdin": "ok",
		}
		return c
	}(),
	func() testCase {
		c := hookCase("hooks-environment", func(b *bundle, h *specs.Hooks) {
			with := recorder(b, "with")
			with.Env = []string{"A=1", "B=two words"}
			none := recorder(b, "none")
			empty := recorder(b, "empty")
			empty.Env = []string{}
			h.CreateRuntime = []specs.Hook{with, none, empty}
			start := inContainer(b, "startContainer")
			start.Env = []string{"INSIDE=1"}
			h.StartContainer = []specs.Hook{start}
		})
		c.run.env = []string{"OF_THE_RUNTIME=1"}
		c.want = map[string]string{"hook.with.env.A": `"1"`}
		return c
	}(),
	func() testCase {
		c := hookCase("hooks-with-ignored-signals", func(b *bundle, h *specs.Hooks) {
			h.Prestart = []specs.Hook{recorder(b, "prestart")}
			h.CreateRuntime = []specs.Hook{recorder(b, "createRuntime")}
			h.CreateContainer = []specs.Hook{recorder(b, "createContainer")}
			h.StartContainer = []specs.Hook{inContainer(b, "startContainer")}
			h.Poststart = []specs.Hook{recorder(b, "poststart")}
			h.Poststop = []specs.Hook{recorder(b, "poststop")}
		})
		// Real-time signals stay ignored under runc, and so do job control signals in the container.
		c.run.wrap = []string{"sh", "-c", `i=1; while [ $i -le 31 ]; do trap '' $i 2>/dev/null; i=$((i+1)); done; exec "$@"`, "sh"}
		c.want = map[string]string{"hook.prestart.status.SigIgn": noneIgnored, "hook.poststop.status.SigIgn": noneIgnored}
		return c
	}(),
	func() testCase {
		c := hookCase("hooks-detached-and-user-namespace", func(b *bundle, h *specs.Hooks) {
			b.userns()
			h.CreateRuntime = []specs.Hook{recorder(b, "createRuntime")}
			h.CreateContainer = []specs.Hook{recorder(b, "createContainer")}
			h.Poststart = []specs.Hook{recorder(b, "poststart")}
			h.Poststop = []specs.Hook{recorder(b, "poststop")}
			b.dropMount("/records")
			b.check(chmod(b.dir+"/hooks", 0o666))
		})
		c.run.detach = true
		return c
	}(),
	func() testCase {
		c := hookCase("hooks-without-args", func(b *bundle, h *specs.Hooks) {
			h.CreateRuntime = []specs.Hook{{Path: "/bin/true"}}
		})
		return c
	}(),
	failingHookCase("hook-fails-prestart", func(b *bundle, h *specs.Hooks) {
		h.Prestart = []specs.Hook{failing(), recorder(b, "prestart-after-the-failing-one")}
	}),
	failingHookCase("hook-fails-create-runtime", func(b *bundle, h *specs.Hooks) { h.CreateRuntime = []specs.Hook{failing()} }),
	failingHookCase("hook-fails-create-container", func(b *bundle, h *specs.Hooks) { h.CreateContainer = []specs.Hook{failing()} }),
	failingHookCase("hook-fails-start-container", func(b *bundle, h *specs.Hooks) { h.StartContainer = []specs.Hook{failing()} }),
	failingHookCase("hook-fails-poststart", func(b *bundle, h *specs.Hooks) {
		b.spec.Process.Args = []string{"sleep", "0.2"}
		h.Poststart = []specs.Hook{failing(), recorder(b, "poststart-after-the-failing-one")}
	}),
	failingHookCase("hook-fails-poststop", func(b *bundle, h *specs.Hooks) {
		h.Poststop = []specs.Hook{failing(), recorder(b, "poststop-after-the-failing-one")}
	}),
	failingHookCase("hook-missing-program", func(b *bundle, h *specs.Hooks) { h.CreateRuntime = []specs.Hook{{Path: "/there/is/none"}} }),
	failingHookCase("hook-relative-program", func(b *bundle, h *specs.Hooks) { h.CreateRuntime = []specs.Hook{{Path: "true"}} }),
	failingHookCase("hook-timeout", func(b *bundle, h *specs.Hooks) {
		h.CreateRuntime = []specs.Hook{{Path: "/bin/sleep", Args: []string{"sleep", "30"}, Timeout: pointer(1)}}
	}),
}

// profile sets a small seccomp profile that allows everything except the given rules.
func profile(action specs.LinuxSeccompAction, flags []specs.LinuxSeccompFlag, rules ...specs.LinuxSyscall) func(*bundle) {
	return func(b *bundle) {
		b.spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: action, Flags: flags, Architectures: []specs.Arch{specs.ArchX86_64}, Syscalls: rules}
	}
}

func refuse(errno uint, names ...string) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &errno}
}

var someCalls = []string{"getcwd-null", "mkdir-null", "chmod-null", "mount-null", "unshare-user", "personality-8", "personality-9", "setuid-0", "unknown-nr"}

var seccompCases = []testCase{
	{name: "seccomp-docker", set: func(b *bundle) {
		p, err := seccomp.GetDefaultProfile(b.spec)
		b.check(err)
		b.spec.Linux.Seccomp = p
	}, ask: ask{Calls: someCalls}, want: map[string]string{"in.status.Seccomp": "2", "in.call.mount-null": "EPERM", "in.call.personality-9": "EPERM"}},
	{name: "seccomp-docker-new-privileges-allowed", set: func(b *bundle) {
		p, err := seccomp.GetDefaultProfile(b.spec)
		b.check(err)
		b.spec.Linux.Seccomp = p
		b.spec.Process.NoNewPrivileges = false
	}, ask: ask{Calls: someCalls}, want: map[string]string{"in.status.Seccomp": "2", "in.status.NoNewPrivs": "0"}},
	{name: "seccomp-docker-nonroot", set: nonroot(func(b *bundle) {
		p, err := seccomp.GetDefaultProfile(b.spec)
		b.check(err)
		b.spec.Linux.Seccomp = p
		b.spec.Process.NoNewPrivileges = false
	}), ask: ask{Calls: someCalls}, want: map[string]string{"in.status.Seccomp": "2", "in.uid": "1000 1000 1000"}},
	{name: "seccomp-errno", set: profile(specs.ActAllow, nil, refuse(99, "mkdir", "chmod"), refuse(1, "getcwd")), ask: ask{Calls: someCalls}, want: map[string]string{"in.call.mkdir-null": "EADDRNOTAVAIL", "in.status.Seccomp_filters": "1"}},
	{name: "seccomp-arguments", set: profile(specs.ActAllow, nil,
		specs.LinuxSyscall{Names: []string{"personality"}, Action: specs.ActErrno, ErrnoRet: pointer(uint(13)), Args: []specs.LinuxSeccompArg{{Index: 0, Value: 8, Op: specs.OpEqualTo}}},
	), ask: ask{Calls: someCalls}, want: map[string]string{"in.call.personality-8": "EACCES", "in.call.personality-9": "ok"}},
	{name: "seccomp-log-flag", crunToo: true, want: map[string]string{"in.call.chmod-null": "EPERM"}, set: profile(specs.ActAllow, []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagLog}, refuse(1, "chmod")), ask: ask{Calls: someCalls}},
	{name: "seccomp-speculation-allowed", crunToo: true, want: map[string]string{"in.call.chmod-null": "EPERM"}, set: profile(specs.ActAllow, []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow}, refuse(1, "chmod")), ask: ask{Calls: someCalls}},
	{name: "seccomp-unknown-call-name", set: profile(specs.ActAllow, nil, refuse(1, "chmod", "there_is_no_such_call")), ask: ask{Calls: someCalls}},
	{name: "seccomp-kill", plain: true, set: func(b *bundle) {
		profile(specs.ActAllow, nil, specs.LinuxSyscall{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActKillProcess})(b)
		b.spec.Process.Args = []string{"mkdir", "/tmp/x"}
	}, want: map[string]string{"exit": "159"}},
	{name: "seccomp-empty", set: func(b *bundle) { b.spec.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow} }},
}
