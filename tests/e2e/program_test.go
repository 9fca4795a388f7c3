package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// Whether a container's program can be executed is checked where the container's mounts and the
// process's own permissions apply, and before the container counts as created.

// onlyRootEnters puts busybox below a directory that only its owner, root, may enter.
func onlyRootEnters(t *testing.T, b *testbundle.Bundle) {
	data, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	b.File("/closed/busybox", string(data), 0o755)
	if err := os.Chmod(b.Path("/closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.Spec.Process.Args = []string{"/closed/busybox", "echo", "reached"}
}

// Only the effective capabilities count for execve, while access(2) uses the real user ID and its own
// capabilities.
func TestProgramThatTakesACapability(t *testing.T) {
	const override = "CAP_DAC_OVERRIDE"
	only := func(permitted, effective, ambient []string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Process.Capabilities = &specs.LinuxCapabilities{
				Bounding: permitted, Permitted: permitted, Effective: effective, Inheritable: ambient, Ambient: ambient,
			}
		}
	}
	caps := []string{override}
	for _, c := range []struct {
		name string
		set  func(*specs.Spec)
		uid  uint32
		runs bool
	}{
		{"ambient", only(caps, caps, caps), 1000, true},
		{"effective until execve", only(caps, caps, nil), 1000, true},
		{"none", only(nil, nil, nil), 1000, false},
		{"permitted only", only(caps, nil, nil), 1000, false},
		{"root without it in its effective set", only(caps, nil, nil), 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testbundle.New(t, c.set, testbundle.User(c.uid, c.uid))
			onlyRootEnters(t, b)
			if c.uid == 0 { // root owns it, so another user must own it
				if err := os.Chown(b.Path("/closed"), 1000, 1000); err != nil {
					t.Fatal(err)
				}
			}
			if !c.runs {
				b.Write()
				b.Minirun("create", "--bundle", b.Dir, b.ID).Fails(t, "process.args[0]", "permission denied")
				return
			}
			b.Run().Prints(t, "reached")
		})
	}
}

// TestExecOfAProgramThatTakesACapability is the same for exec.
func TestExecOfAProgramThatTakesACapability(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "100"), testbundle.Caps(func(c *specs.LinuxCapabilities) {
		for _, set := range []*[]string{&c.Bounding, &c.Permitted, &c.Effective, &c.Inheritable} {
			*set = append(*set, "CAP_DAC_OVERRIDE")
		}
	}))
	onlyRootEnters(t, b)
	b.Spec.Process.Args = []string{"sleep", "100"}
	b.Detach().Exit(t, 0)
	defer b.Minirun("delete", "--force", b.ID)
	b.Minirun("exec", "--user", "1000:1000", "--cap", "CAP_DAC_OVERRIDE", b.ID, "/closed/busybox", "echo", "reached").Prints(t, "reached")
	b.Minirun("exec", "--user", "1000:1000", b.ID, "/no/such").Fails(t, "no such file")
}

// TestProgramThatCannotBeExecuted: create rejects a program that execve would reject, as seen after
// the container's mounts are made.
func TestProgramThatCannotBeExecuted(t *testing.T) {
	volume := func(t *testing.T, options ...string) func(*testbundle.Bundle) {
		dir := t.TempDir()
		testbundle.CopyFile(t, "/bin/busybox", filepath.Join(dir, "busybox"), 0o755)
		if err := os.WriteFile(filepath.Join(dir, "script"), []byte("#!/no/interpreter\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return func(b *testbundle.Bundle) {
			testbundle.AddMount(specs.Mount{Destination: "/v", Type: "bind", Source: dir, Options: append(options, "bind")})(b.Spec)
		}
	}
	path := func(dirs string) func(*testbundle.Bundle) {
		return func(b *testbundle.Bundle) { b.Spec.Process.Env = []string{"PATH=" + dirs} }
	}
	for _, c := range []struct {
		name, program string
		set           func(*testbundle.Bundle)
		words         []string
	}{
		{"empty", "", path("/bin"), []string{"executable file not found in $PATH"}},
		{"dot", ".", path("/bin:/usr/bin"), []string{"executable file not found in $PATH"}},
		{"dot dot", "..", path("/bin"), []string{"executable file not found in $PATH"}},
		{"directory in PATH", "tmp", path("/bin:/"), []string{"executable file not found in $PATH"}},
		{"directory", "/tmp", path("/bin"), []string{`"/tmp": is a directory`}},
		{"root", "/", path("/bin"), []string{`"/": is a directory`}},
		{"below a file", "/bin/busybox/x", path("/bin"), []string{"not a directory"}},
		{"noexec mount", "/v/busybox", volume(t, "noexec"), []string{"permission denied", "/v/busybox", "it is on a mount with the option noexec"}},
		{"missing in a mount", "/v/none", volume(t), []string{"no such file", "the path is one in the container"}},
		{"noexec in PATH", "busybox", func(b *testbundle.Bundle) {
			volume(t, "noexec")(b)
			path("/v")(b)
		}, []string{"permission denied", "noexec"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args(c.program))
			c.set(b)
			b.Write()
			b.Minirun("create", "--bundle", b.Dir, b.ID).Fails(t, append(c.words, "process.args[0]")...)
			if _, err := os.Stat(b.State()); err == nil {
				t.Error("the failed container is left")
			}
		})
	}
	t.Run("a directory in PATH does not hide a program", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("busybox", "echo", "found"))
		path("/first:/bin")(b)
		b.File("/first/busybox/file", "", 0o644)
		b.Run().Prints(t, "found")
	})
	t.Run("an interpreter of a script in a mount", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("/v/script"))
		volume(t)(b)
		b.Run().Fails(t, "no such file", "its interpreter /no/interpreter does not")
		createBundle(t, b)
		b.Minirun("start", b.ID).Fails(t, "no such file", "its interpreter /no/interpreter does not")
		b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	})
	t.Run("exec", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Args("sleep", "100"))
		volume(t, "noexec")(b)
		b.Detach().Exit(t, 0)
		defer b.Minirun("delete", "--force", b.ID)
		b.Minirun("exec", b.ID, "/v/busybox").Fails(t, `cannot execute "/v/busybox"`, "noexec")
		b.Minirun("exec", b.ID, "/tmp").Fails(t, `"/tmp": is a directory`)
		b.Minirun("exec", b.ID, ".").Fails(t, "executable file not found")
	})
}

// TestStartContainerHooksAreFiltered: the programs of these hooks come from the image, so they run
// with the container's seccomp filter, with and without noNewPrivileges.
func TestStartContainerHooksAreFiltered(t *testing.T) {
	for _, noNewPrivileges := range []bool{true, false} {
		b := testbundle.New(t, testbundle.Args("true"), testbundle.Writable, seccomp(specs.LinuxSyscall{Names: []string{"mkdir", "mkdirat"}, Action: specs.ActErrno}))
		b.Spec.Process.NoNewPrivileges = noNewPrivileges
		hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "grep Seccomp: /proc/self/status > /report; mkdir /made; true"}, Env: []string{"PATH=/bin"}}
		b.Spec.Hooks = &specs.Hooks{StartContainer: []specs.Hook{hook}}
		b.Run().Exit(t, 0)
		if data, err := os.ReadFile(b.Path("/report")); err != nil || strings.TrimSpace(string(data)) != "Seccomp:\t2" {
			t.Errorf("noNewPrivileges %v: the hook ran with %q, %v", noNewPrivileges, data, err)
		}
		if _, err := os.Stat(b.Path("/made")); err == nil {
			t.Errorf("noNewPrivileges %v: the hook has made a directory, which the filter forbids", noNewPrivileges)
		}
	}
}

// allowed returns the CPUs on which a process may run, as a list.
func allowed(t *testing.T, status string) string {
	for line := range strings.Lines(status) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return strings.TrimSpace(list)
		}
	}
	t.Fatalf("no Cpus_allowed_list in %q", status)
	return ""
}

// TestAffinityIsTheCpusets: the CPUs of a container are those of its cpuset, even if the caller is
// restricted to fewer, also for exec and after update; execCPUAffinity changes them only for exec.
func TestAffinityIsTheCpusets(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil {
		t.Skip("needs taskset")
	}
	own, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	all := allowed(t, string(own))
	if all == "0" || !strings.HasPrefix(all, "0-") {
		t.Skip("needs CPUs 0 and 1, but may use ", all)
	}
	onCPU0 := func(b *testbundle.Bundle, args ...string) testbundle.Result {
		cmd := b.Command(args...)
		cmd.Args = append([]string{"taskset", "-c", "0"}, cmd.Args...)
		cmd.Path, _ = exec.LookPath("taskset")
		out, err := os.CreateTemp(t.TempDir(), "out") // a detached container would keep a pipe open
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd.Stdout, cmd.Stderr = out, out
		_ = cmd.Run()
		text, _ := os.ReadFile(out.Name())
		return testbundle.Result{Stdout: string(text), Stderr: string(text), Status: cmd.ProcessState.ExitCode()}
	}
	b := testbundle.New(t, testbundle.Args("sleep", "100"), func(s *specs.Spec) {
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{shellHook("grep Cpus_allowed_list /proc/self/status > hook; true")}}
	}, testbundle.Writable)
	b.Write()
	if r := onCPU0(b, "run", "--detach", b.ID, b.Dir); r.Status != 0 {
		t.Fatal(r.Stderr)
	}
	defer b.Minirun("delete", "--force", b.ID)
	inside := func() string {
		t.Helper()
		return allowed(t, onCPU0(b, "exec", b.ID, "cat", "/proc/self/status").Stdout)
	}
	first := func() string {
		t.Helper()
		return allowed(t, b.Minirun("exec", b.ID, "cat", "/proc/1/status").Stdout)
	}
	check := func(when, want string) {
		t.Helper()
		if got := first(); got != want {
			t.Errorf("%s: the container runs on CPUs %s, want %s", when, got, want)
		}
		if got := inside(); got != want {
			t.Errorf("%s: exec runs on CPUs %s, want %s", when, got, want)
		}
	}
	check("created on CPU 0", all)
	if data, err := os.ReadFile(b.Path("/hook")); err != nil || allowed(t, string(data)) != all {
		t.Errorf("the createContainer hook runs on %q, %v, want %s", data, err, all)
	}
	b.Minirun("update", "--cpuset-cpus", "1", b.ID).Exit(t, 0)
	check("after update --cpuset-cpus 1", "1")
	b.Minirun("update", "--cpuset-cpus", all, b.ID).Exit(t, 0)
	check("after update --cpuset-cpus "+all, all)

	for _, c := range []struct{ initial, final, want string }{
		{"1", "", "1"}, // the kernel decides, based on the initial affinity of the process
		{"", "1", "1"},
		{"0", "1", "1"},
	} {
		b.Spec.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: c.initial, Final: c.final}
		b.Write()
		if got := allowed(t, b.Minirun("exec", b.ID, "cat", "/proc/self/status").Stdout); got != c.want {
			t.Errorf("execCPUAffinity %+v: exec runs on CPUs %s, want %s", c, got, c.want)
		}
	}
}

// TestDeadlineWithCpuset: SCHED_DEADLINE cannot be combined with a subset of the CPUs.
func TestDeadlineWithCpuset(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"), func(s *specs.Spec) {
		s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1e6, Deadline: 2e6, Period: 2e6}
	})
	if r := b.Run(); r.Status != 0 {
		t.Skip("SCHED_DEADLINE cannot be used here: ", r.Stderr)
	}
	b.Spec.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: "0"}
	b.Run().Fails(t, "process.scheduler", "SCHED_DEADLINE", "hint: omit linux.resources.cpu.cpus")
}
