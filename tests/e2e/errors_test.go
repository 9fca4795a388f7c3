package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec/spectest"
	"github.com/minirun/minirun/tests/testbundle"
)

// TestMessagesForClassicMistakes: the message names the place in config.json and explains the cause in
// words.
func TestMessagesForClassicMistakes(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*testbundle.Bundle)
		words  []string
	}{
		{"a program that is nowhere in PATH", args("frobnicate"), []string{"process.args", "frobnicate", "executable file not found in $PATH"}},
		{"a path that is not there", args("/bin/frobnicate"), []string{"process.args", "/bin/frobnicate", "no such file"}},
		{"no PATH", func(b *testbundle.Bundle) { b.Spec.Process.Env = []string{"A=b"} }, []string{"process.args", "no PATH"}},
		{"not executable", func(b *testbundle.Bundle) {
			b.File("/prog", "#!/bin/sh\n", 0o644)
			args("/prog")(b)
		}, []string{"process.args", "/prog", "permission denied", "0644"}},
		{"a directory", args("/bin"), []string{"process.args", "/bin", "is a directory"}},
		{"Windows line ends", func(b *testbundle.Bundle) {
			b.File("/prog", "#!/bin/sh\r\necho\r\n", 0o755)
			args("/prog")(b)
		}, []string{"process.args", "carriage return", "/bin/sh"}},
		{"a missing interpreter", func(b *testbundle.Bundle) {
			b.File("/prog", "#!/usr/bin/python3 -u\n", 0o755)
			args("/prog")(b)
		}, []string{"process.args", "interpreter /usr/bin/python3 does not"}},
		{"no #! line", func(b *testbundle.Bundle) {
			b.File("/prog", "echo hello\n", 0o755)
			args("/prog")(b)
		}, []string{"process.args", "neither an ELF file nor a script"}},
		{"an empty file", func(b *testbundle.Bundle) {
			b.File("/prog", "", 0o755)
			args("/prog")(b)
		}, []string{"process.args", "/prog"}},
		{"another architecture", func(b *testbundle.Bundle) {
			data, _ := os.ReadFile("/bin/busybox")
			data[18], data[19] = 243, 0 // e_machine: RISC-V
			b.File("/prog", string(data), 0o755)
			args("/prog")(b)
		}, []string{"process.args", "another machine", "RISC-V"}},
		{"a dynamic program without its loader", func(b *testbundle.Bundle) {
			data, err := os.ReadFile("/usr/bin/env")
			if err != nil {
				data, _ = os.ReadFile("/bin/ls")
			}
			b.File("/prog", string(data), 0o755)
			args("/prog")(b)
		}, []string{"process.args", "ELF interpreter", "does not"}},
		{"no rootfs", func(b *testbundle.Bundle) { b.Spec.Root.Path = "nothing" }, []string{"root.path", `"nothing"`, "no such file"}},
		{"rootfs is a file", func(b *testbundle.Bundle) { b.Spec.Root.Path = "config.json" }, []string{"root.path", "directory"}},
		{"the host's root", func(b *testbundle.Bundle) { b.Spec.Root.Path = "/" }, []string{"root.path", "host's root"}},
		{"cwd is a file", func(b *testbundle.Bundle) { b.Spec.Process.Cwd = "/etc/passwd" }, []string{"process.cwd", "/etc/passwd", "not a directory"}},
		{"cwd below a file", func(b *testbundle.Bundle) { b.Spec.Process.Cwd = "/etc/passwd/below" }, []string{"process.cwd", "/etc/passwd", "not a directory"}},
		{"a controller that the host does not have", func(b *testbundle.Bundle) {
			b.Spec.Linux.Resources.Rdma = map[string]specs.LinuxRdma{"mlx0": {HcaHandles: new(uint32)}}
		}, []string{"linux.resources.rdma", "controller"}},
		{"a hard limit above ours", func(b *testbundle.Bundle) {
			b.Spec.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 1 << 30}}
		}, []string{"process.rlimits[0]", "RLIMIT_NOFILE", "operation not permitted"}},
		{"an AppArmor profile that is not there", func(b *testbundle.Bundle) { b.Spec.Process.ApparmorProfile = "none-such" }, []string{"process.apparmorProfile", "AppArmor"}},
		{"SELinux where there is none", func(b *testbundle.Bundle) {
			b.Spec.Process.SelinuxLabel = "system_u:system_r:container_t:s0"
		}, []string{"process.selinuxLabel", "SELinux"}},
		{"mounts in the host's namespace, in a user namespace", func(b *testbundle.Bundle) {
			without(specs.MountNamespace)(b.Spec)
			testbundle.UserNS(b.Spec)
			b.Spec.Linux.MaskedPaths, b.Spec.Linux.ReadonlyPaths = nil, nil
		}, []string{"linux.namespaces", "mount namespace", "may not mount"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testbundle.New(t)
			if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil && strings.Contains(c.name, "SELinux") {
				t.Skip("this kernel has SELinux")
			}
			if text, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil && strings.Contains(string(text), "rdma") && strings.Contains(c.name, "controller") {
				t.Skip("this host has the controller")
			}
			c.change(b)
			b.Run().Fails(t, append(c.words, "config.json: ")...)
			if left := b.LeaksSince(b.Snapshot()); len(left) > 0 {
				t.Error(left)
			}
		})
	}
}

// The kernel returns EINVAL; the cause is that the root of a chroot is not a mountpoint.
func TestRootInChroot(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	b.Write()
	jail := filepath.Join(b.Host, "jail")
	script := `set -e
		mkdir -p $1/proc $1/sys $1/bundle $1/run $1/dev $1/tmp
		mount --rbind /proc $1/proc; mount --rbind /sys $1/sys; mount --bind $2 $1/bundle; mount --rbind /dev $1/dev
		cp $3 $1/minirun
		exec chroot $1 /minirun --root /run/minirun run ` + b.ID + ` /bundle`
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", jail, b.Dir, testbundle.Binary)
	testbundle.Finish(t, cmd).Fails(t, "invalid argument", "not a mount point", "mount --bind")
}

func args(a ...string) func(*testbundle.Bundle) {
	return func(b *testbundle.Bundle) { b.Spec.Process.Args = a }
}

func TestIncompleteConfigIsAnError(t *testing.T) {
	b := testbundle.New(t)
	r := b.Minirun("run", b.ID, b.Dir)
	r.Fails(t, "config.json")
	for _, text := range []string{"", "{", "null", "[]", `{"ociVersion": "1.0.2", "process": 7}`} {
		if err := os.WriteFile(filepath.Join(b.Dir, "config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		b.Minirun("run", b.ID, b.Dir).Fails(t, "config.json")
	}
}

// Every document that internal/spec must reject is rejected before the program does anything, and the
// message names the place.
func TestMalformedConfigIsRejected(t *testing.T) {
	b := testbundle.New(t)
	before := b.Snapshot()
	cases := spectest.Malformed()
	if len(cases) < 300 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		if err := os.WriteFile(filepath.Join(b.Dir, "config.json"), c.JSON, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(testbundle.Binary, "--root", b.Root, "run", b.ID, b.Dir)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: %v, exit status %d", c.Name, err, cmd.ProcessState.ExitCode())
		}
		if !strings.Contains(string(out), c.Path) || !strings.Contains(string(out), "config.json") {
			t.Errorf("%s: the message does not name %q: %s", c.Name, c.Path, out)
		}
		if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
			t.Fatalf("%s: left in the state directory: %v", c.Name, entries)
		}
	}
	for _, leak := range b.LeaksSince(before) {
		t.Errorf("left over: %s", leak)
	}
	t.Logf("%d malformed documents", len(cases))
}

// A pipe that is never read does not block minirun forever.
func TestFullStandardError(t *testing.T) {
	testbundle.Parallel(t)
	b := testbundle.New(t, testbundle.Args("/no/such"))
	b.Write()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fd := int(w.Fd()) // makes it blocking
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4096))
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	cmd := b.Command("run", "--bundle", b.Dir, b.ID)
	cmd.Stderr = w
	b.Start(cmd)
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
}

// TestLongValuesAreNotPrinted: a value or a list in config.json may have megabytes. A message shows
// only its beginning and end, and the cause.
func TestLongValuesAreNotPrinted(t *testing.T) {
	const limit = 20000
	long := "/" + strings.Repeat("a", 1<<20)
	many := []string{"echo"}
	for range 40 {
		many = append(many, strings.Repeat("a b ", 1<<15-1))
	}
	check := func(what, message string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(message, w) {
				t.Errorf("%s: the message has no %q: %.300s", what, w, message)
			}
		}
		if len(message) > limit {
			t.Errorf("%s: the message has %d bytes: %.300s", what, len(message), message)
		}
	}
	for _, c := range []struct {
		name   string
		change func(*specs.Spec)
		words  []string
	}{
		{"an argument list", testbundle.Args(many...), []string{"process.args", "argument list too long"}},
		{"a program", testbundle.Args(long), []string{"process.args", "file name too long"}},
		{"the root", func(s *specs.Spec) { s.Root.Path = long }, []string{"root.path", "file name too long"}},
		{"a mount's source", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Source: long, Options: []string{"bind"}})
		}, []string{"mounts[", "file name too long"}},
		{"a hook", func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: long}}} }, []string{"hooks.createRuntime[0]", "too long"}},
		{"a namespace", with(specs.NetworkNamespace, long), []string{"linux.namespaces", "too long"}},
	} {
		b := testbundle.New(t, c.change)
		r := b.Run()
		check(c.name, r.Stderr, c.words...)
		b.Global = []string{"--log", filepath.Join(t.TempDir(), "log"), "--log-format", "json"}
		b.Run()
		log, _ := os.ReadFile(b.Global[1])
		check(c.name+" in the log", string(log), c.words...)
	}

	b := testbundle.New(t, testbundle.Args(many...))
	b.Write()
	if err := b.Command("create", "-b", b.Dir, b.ID).Run(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(b.State(), "state.json")); err != nil || info.Size() > 1<<16 {
		t.Errorf("the record of the container: %v, %v", info, err)
	}
	check("start", b.Minirun("start", b.ID).Stderr, "process.args", "argument list too long")
	b.Minirun("delete", "--force", b.ID)
	check("an ID", b.Minirun("state", long[:1<<16]).Stderr)
}
