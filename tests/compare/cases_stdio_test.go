// Cases: standard descriptors, terminals, exit statuses, and commands that cannot be executed.
package compare

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func chmod(path string, mode os.FileMode) error { return os.Chmod(path, mode) }

func argv(words ...string) func(*bundle) { return func(b *bundle) { b.spec.Process.Args = words } }

// handedOver: in the foreground runc replaces each descriptor that is not a terminal with a pipe and
// copies; crun, and runc with --detach, pass on the descriptors they received.
var handedOver = []allowed{
	{field: "in.fd.0.*", want: "*", reason: "the caller's own descriptor instead of a pipe that the runtime copies from"},
	{field: "in.fd.1.*", want: "*", reason: "the caller's own descriptor instead of a pipe that the runtime copies to"},
	{field: "in.fd.2.*", want: "*", reason: "the caller's own descriptor instead of a pipe that the runtime copies to"},
}

var stdioCases = []testCase{
	{name: "stdin-null", run: runOptions{stdin: "null"}, allowed: handedOver, want: map[string]string{"exit": "0"}},
	{name: "stdin-file", plain: true, run: runOptions{stdin: "file"}, set: argv("cat"), want: map[string]string{"stdout": "line\n"}},
	{name: "stdin-closed", allowed: handedOver, notCrun: "it wants to chown a descriptor that is closed", run: runOptions{stdin: "closed", wrap: []string{"sh", "-c", `exec "$@" <&-`, "sh"}}},
	{name: "stdout-file", run: runOptions{stdout: "file"}, allowed: handedOver, want: map[string]string{"exit": "0"}},
	{name: "stdout-null", run: runOptions{stdout: "null"}, ask: ask{Out: "/report"}, set: func(b *bundle) { b.spec.Root.Readonly = false }, allowed: handedOver, want: map[string]string{"exit": "0"}},
	{name: "stdout-and-stderr", plain: true, set: argv("sh", "-c", "echo out; echo err >&2; cat"), want: map[string]string{"stdout": "out\n", "stderr.empty": "false"}},
	{name: "stdio-owned-by-user", set: nonroot(nil), allowed: handedOver},
	{name: "stdin-null-detached", run: runOptions{stdin: "null", detach: true}, want: map[string]string{"in.fd.0.target": "/dev/null"}},
}

var terminalCases = []testCase{
	{name: "terminal-own", set: func(b *bundle) { b.spec.Process.Terminal = true }, run: runOptions{terminal: "own"}, ask: ask{WaitSize: true}, want: map[string]string{"in.tty.0.size": "91x37", "in.tty.controlling": "ok"}},
	{name: "terminal-socket", set: func(b *bundle) { b.spec.Process.Terminal = true }, run: runOptions{terminal: "socket"}, want: map[string]string{"in.tty.controlling": "ok", "container.exit": "0"}},
	{name: "terminal-socket-size", set: func(b *bundle) {
		b.spec.Process.Terminal = true
		b.spec.Process.ConsoleSize = &specs.Box{Width: 123, Height: 45}
	}, run: runOptions{terminal: "socket"}, want: map[string]string{"in.tty.0.size": "123x45"}},
	{name: "terminal-socket-nonroot", set: nonroot(func(b *bundle) { b.spec.Process.Terminal = true }), run: runOptions{terminal: "socket"}},
	{name: "terminal-socket-user-namespace", set: func(b *bundle) {
		b.userns()
		b.spec.Process.Terminal = true
	}, run: runOptions{terminal: "socket"}},
	{name: "terminal-without-devpts", set: func(b *bundle) {
		b.dropMount("/dev/pts")
		b.spec.Process.Terminal = true
		b.spec.Process.Args = []string{"true"}
	}, plain: true, run: runOptions{terminal: "own"}},
	{name: "terminal-without-one", plain: true, set: func(b *bundle) { // requested, but the runtime's stdio is a pipe
		b.spec.Process.Terminal = true
		b.spec.Process.Args = []string{"true"}
	}},
	{name: "terminal-detached-without-socket", plain: true, run: runOptions{detach: true}, set: func(b *bundle) {
		b.spec.Process.Terminal = true
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"stderr.empty": "false"}},
	{name: "console-size-without-terminal", set: func(b *bundle) { b.spec.Process.ConsoleSize = &specs.Box{Width: 10, Height: 10} }},
}

// notExecutable returns a case that compares the exit status and checks that nothing is left.
func notExecutable(name string, set func(*bundle)) testCase {
	return testCase{name: name, plain: true, set: set, want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": "", "left.mounts": ""}}
}

var failureCases = []testCase{
	{name: "exit-0", plain: true, set: argv("/probe", "exit", "0"), want: map[string]string{"exit": "0"}},
	{name: "exit-1", plain: true, set: argv("/probe", "exit", "1"), want: map[string]string{"exit": "1"}},
	{name: "exit-42", plain: true, set: argv("/probe", "exit", "42"), want: map[string]string{"exit": "42"}},
	{name: "exit-255", plain: true, set: argv("/probe", "exit", "255"), want: map[string]string{"exit": "255"}},
	{name: "exit-after-report", ask: ask{Exit: 5}, want: map[string]string{"exit": "5"}},
	{name: "exit-by-kill", plain: true, set: func(b *bundle) { // without a PID namespace a process can kill itself
		without(specs.PIDNamespace)(b)
		b.spec.Process.Args = []string{"/probe", "exit", "sig9"}
	}, want: map[string]string{"exit": "137"}},
	{name: "exit-by-term", plain: true, set: func(b *bundle) {
		without(specs.PIDNamespace)(b)
		b.spec.Process.Args = []string{"/probe", "exit", "sig15"}
	}, want: map[string]string{"exit": "143"}},
	{name: "exit-by-segv", plain: true, set: func(b *bundle) {
		without(specs.PIDNamespace)(b)
		b.spec.Process.Args = []string{"sh", "-c", "kill -SEGV $$"}
	}, want: map[string]string{"exit": "139"}},
	{name: "exit-detached-by-kill", plain: true, run: runOptions{detach: true}, set: func(b *bundle) {
		without(specs.PIDNamespace)(b)
		b.spec.Process.Args = []string{"/probe", "exit", "sig9"}
	}},
	{name: "signal-forwarded", set: without(specs.PIDNamespace), run: runOptions{signalOnHold: "TERM"}, want: map[string]string{"exit": "143"}},
	{name: "children-die-with-first-process", plain: true, set: argv("sh", "-c", "sleep 60 >/dev/null 2>&1 </dev/null & exit 3"), want: map[string]string{"exit": "3", "left.processes": "", "left.cgroups": ""}},
	{name: "children-outlive-without-pid-namespace", plain: true, notCrun: "it waits until they have ended", unsteady: "stderr.empty", // runc may warn that a cgroup is still busy
		set: func(b *bundle) {
			without(specs.PIDNamespace)(b)
			b.spec.Process.Args = []string{"sh", "-c", "sleep 60 >/dev/null 2>&1 </dev/null & exit 3"}
		}},
	notExecutable("command-missing", argv("there-is-none")),
	notExecutable("command-missing-absolute", argv("/there/is/none")),
	notExecutable("command-not-executable", func(b *bundle) {
		b.file("data", "no program\n", 0o644)
		b.spec.Process.Args = []string{"/data"}
	}),
	notExecutable("command-is-a-directory", argv("/etc")),
	notExecutable("command-interpreter-missing", func(b *bundle) {
		b.file("script", "#!/there/is/none\n", 0o755)
		b.spec.Process.Args = []string{"/script"}
	}),
	notExecutable("command-not-a-program", func(b *bundle) {
		b.file("bin/garbage", "\x7fELF not really", 0o755)
		b.spec.Process.Args = []string{"garbage"}
	}),
	notExecutable("command-not-permitted", nonroot(func(b *bundle) {
		b.file("bin/rootonly", "#!/bin/sh\n", 0o700)
		b.spec.Process.Capabilities = nil
		b.spec.Process.Args = []string{"rootonly"}
	})),
	notExecutable("command-on-noexec", func(b *bundle) {
		b.mount("/usr", "bind", b.root+"/usr", "bind", "noexec")
		b.mount("/bin", "bind", b.root+"/bin", "bind", "noexec")
		b.spec.Process.Args = []string{"/bin/busybox", "true"}
	}),
	{name: "command-missing-detached", plain: true, run: runOptions{detach: true}, set: argv("there-is-none"), want: map[string]string{"stderr.empty": "false"}},
	{name: "command-empty", plain: true, set: argv(), want: map[string]string{"stderr.empty": "false"}},
	{name: "process-missing", plain: true, set: func(b *bundle) { b.spec.Process = nil }, want: map[string]string{"stderr.empty": "false"}},
	{name: "config-version-unknown", plain: true, notCrun: "its version is overridden here", set: func(b *bundle) {
		b.spec.Version = "9.0.0"
		b.spec.Process.Args = []string{"true"}
	}},
}
