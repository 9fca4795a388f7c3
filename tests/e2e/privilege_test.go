package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// cgroupless are options of minirun: without a session there is a warning about cgroups version 2, with a hint.
var cgroupless = []string{"--cgroup-manager", "disabled"}

const privilegeHint = "hint: use sudo, or without it a bundle that minirun spec --rootless wrote"

// TestPrivilegeHints: without root, an error for which the kernel's reason is a missing privilege says
// to use sudo, or spec --rootless. It has at most four lines.
func TestPrivilegeHints(t *testing.T) {
	u := asUser(t, false, "true")
	u.Spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}}
	u.Spec.Linux.UIDMappings, u.Spec.Linux.GIDMappings, u.Spec.Mounts = nil, nil, nil
	u.Spec.Linux.CgroupsPath, u.Spec.Hostname = "", ""
	u.Global = cgroupless
	r := u.minirun(t, "run", u.ID, u.Dir)
	r.Fails(t, "operation not permitted", privilegeHint)
	if strings.Contains(r.Stderr, "CAP_SYS_ADMIN") || strings.Count(r.Stderr, "hint:") != 1 {
		t.Errorf("another hint: %s", r.Stderr)
	}
	u.minirun(t, "spec", "--bundle", "/").Fails(t, "permission denied", privilegeHint)
	secret := t.TempDir() // as root's state directory
	if err := os.Chmod(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	u.Global = append([]string{"--root", secret}, cgroupless...)
	for _, line := range []string{"list", "state x", "exec x true", "kill x", "delete x", "start x", "run x " + u.Dir} {
		r := u.minirun(t, strings.Fields(line)...)
		r.Fails(t, "permission denied", privilegeHint)
		if strings.Count(strings.TrimSpace(r.Stderr), "\n") > 3 {
			t.Errorf("%s: %s", line, r.Stderr)
		}
	}
	// A program that cannot be executed is not a matter of minirun's privileges.
	u = asUser(t, false, "")
	u.Global = cgroupless
	u.Spec.Process.Args = []string{"/etc"}
	if r := u.minirun(t, "run", u.ID, u.Dir); r.Status == 0 || strings.Contains(r.Stderr, "sudo") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
}

// TestStateWithoutSession: without XDG_RUNTIME_DIR, as after su, the state of containers is in a private
// directory in /tmp, and a directory that another user prepared there is not used.
func TestStateWithoutSession(t *testing.T) {
	testbundle.Need(t)
	const uid = 64123
	dir := "/tmp/minirun-" + strconv.Itoa(uid)
	t.Cleanup(func() { os.RemoveAll(dir) })
	list := func() string {
		cmd := exec.Command(testbundle.Binary, "--debug", "list")
		cmd.Dir, cmd.Env = "/", []string{"HOME=/nonexistent"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, _ := cmd.CombinedOutput() // it fails if /run/minirun exists: it is root's
		_, after, _ := strings.Cut(string(out), "state in ")
		state, _, _ := strings.Cut(after, "\n")
		return state
	}
	if got := list(); got != dir+"/minirun" {
		t.Errorf("the state is in %s", got)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Chown(dir, 1, 1); err != nil {
		t.Fatal(err)
	}
	if got := list(); got != "/run/minirun" {
		t.Errorf("with the directory of another user, the state is in %s", got)
	}
}
