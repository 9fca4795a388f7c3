package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// plan: it needs no privilege, and is tested for identical bytes, every format, and other hosts.
func TestPlanFormats(t *testing.T) {
	b := testbundle.New(t, memory(64<<20))
	b.Write()
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	print := func(args ...string) string {
		t.Helper()
		r := b.Minirun(append([]string{"plan"}, append(args, b.Dir)...)...)
		r.Exit(t, 0)
		return r.Stdout
	}
	text := print()
	has(t, text, "# minirun: linux.resources.memory.limit", `"67108864"`, "pivot_root", "# filesystem: mounts[0]", "execve(")
	if again := print(); again != text {
		t.Error("the second plan is not the first")
	}
	has(t, print("--cgroups", "v2"), "/memory.max", "bpf(BPF_PROG_ATTACH")
	has(t, print("--cgroups", "v1"), "/sys/fs/cgroup/memory/", "memory.limit_in_bytes", "devices.allow")
	has(t, print("--format", "md"), "## filesystem", "| step |")
	var document struct {
		Clone   []string
		Writes  []struct{ File, Value, Source string }
		Process []struct{ Call, Text, Source string }
	}
	if err := json.Unmarshal([]byte(print("--format", "json")), &document); err != nil || len(document.Process) < 200 || len(document.Clone) < 4 || len(document.Writes) == 0 {
		t.Errorf("JSON: %v, %d steps", err, len(document.Process))
	}
	b.Minirun("plan", "--format", "xml", b.Dir).Fails(t, "--format", "text, json or md")
	b.Minirun("plan", "--cgroups", "v3", b.Dir).Fails(t, "--cgroups", "v1 or v2")

	cmd := b.Command("plan", "--cgroups", "v2", b.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	nobody := testbundle.Finish(t, cmd)
	nobody.Exit(t, 0)
	has(t, nobody.Stdout, "/memory.max", "pivot_root")

	other := testbundle.New(t, memory(32<<20), func(s *specs.Spec) { s.Process.NoNewPrivileges = false })
	other.Spec.Linux.CgroupsPath = b.Spec.Linux.CgroupsPath
	other.Write()
	r := b.Minirun("plan", "--cgroups", "v2", "--diff", b.Dir, other.Dir)
	if r.Status != 1 {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	var signs []string
	for line := range strings.Lines(r.Stdout) {
		if line[0] != '#' {
			signs = append(signs, line[:1]+strings.Fields(line)[1])
		}
	}
	if got := strings.Join(signs, " "); got != "-limit +limit -set" {
		t.Errorf("the difference is %s:\n%s", got, r.Stdout)
	}
	b.Minirun("plan", "--diff", b.Dir, b.Dir).Prints(t, "")
}

// plan and spec only compute: they work in a chroot without /proc and /sys, and without root, and say
// what they assume about the host.
func TestPlanWithoutProcAndSys(t *testing.T) {
	testbundle.Need(t)
	root := t.TempDir()
	testbundle.CopyFile(t, testbundle.Binary, filepath.Join(root, "minirun"), 0o755)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	in := func(args ...string) testbundle.Result {
		t.Helper()
		cmd := exec.Command("/minirun", args...)
		cmd.Path, cmd.Dir = "/minirun", "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return testbundle.Finish(t, cmd)
	}
	for _, flags := range [][]string{nil, {"--rootless"}} {
		bundle := filepath.Join(root, "b"+strings.Join(flags, ""))
		if err := os.MkdirAll(filepath.Join(bundle, "rootfs"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(bundle, 0o777); err != nil {
			t.Fatal(err)
		}
		name := "/" + filepath.Base(bundle)
		r := in(append([]string{"spec", "--bundle", name}, flags...)...)
		r.Exit(t, 0)
		has(t, r.Stderr, "no cgroup file system is mounted here", "cgroup version 2")
		r = in("plan", name)
		r.Exit(t, 0)
		has(t, r.Stdout, "# assumes cgroup version 2", "pivot_root", "mount proc on /proc", `mkdir("/sys/fs/cgroup/plan", 0755)`)
		r = in("plan", "--summary", name)
		r.Exit(t, 0)
		has(t, r.Stdout, "# assumes cgroup version 2", "WHAT IT DOES", "drop 38 capabilities")
	}
}

// plan as a user shows root's plan of a bundle that a user cannot run, and says so.
func TestPlanSaysThatItIsRoots(t *testing.T) {
	b := testbundle.New(t)
	b.Write()
	if err := os.Chmod(b.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := b.Command("plan", b.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	r := testbundle.Finish(t, cmd)
	r.Exit(t, 0)
	has(t, r.Stdout, "# assumes root runs it", "# Each step: its number")
}
