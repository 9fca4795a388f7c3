package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/apparmor"
	"github.com/minirun/minirun/tests/testbundle"
)

// needAppArmor skips the test if the kernel does not use AppArmor, or profiles cannot be loaded:
// tests/vm/run --release trixie provides a machine where both works.
func needAppArmor(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	if !apparmor.Enabled() || !apparmor.HasParser() {
		t.Skip("needs a kernel with AppArmor, and apparmor_parser: tests/vm/run --release trixie")
	}
}

// loadProfile loads a profile for the duration of the test, and returns its name.
func loadProfile(t *testing.T, rules string) string {
	t.Helper()
	name := "minirun-test-" + strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-")
	text := "profile " + name + " flags=(attach_disconnected) {\n file, capability, network, signal, ptrace,\n" + rules + "\n}\n"
	parser := func(action string) error {
		cmd := exec.Command("apparmor_parser", action, "--skip-cache")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("%s", out)
		}
		return err
	}
	if err := parser("--replace"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := parser("--remove"); err != nil {
			t.Error(err)
		}
	})
	return name
}

// TestAppArmorProfile: a container's processes have its profile, also those that exec starts, and with
// --apparmor another one.
func TestAppArmorProfile(t *testing.T) {
	needAppArmor(t)
	name := loadProfile(t, " deny /tmp/denied w,")
	b, _ := up(t, testbundle.Writable, func(s *specs.Spec) { s.Process.ApparmorProfile = name })
	in(b, "cat /proc/1/attr/current /proc/self/attr/current").Prints(t, name+" (enforce)\n"+name+" (enforce)")
	in(b, "echo x >/tmp/allowed && cat /tmp/allowed").Prints(t, "x")
	r := in(b, "echo x >/tmp/denied")
	if r.Status == 0 || !strings.Contains(r.Stderr, "ermission denied") {
		t.Errorf("the rule is not enforced: status %d, %s", r.Status, r.Stderr)
	}
	b.Minirun("exec", "--apparmor", "unconfined", b.ID, "cat", "/proc/self/attr/current").Prints(t, "unconfined")
	b.Minirun("exec", "--apparmor", "none-such", b.ID, "true").Fails(t, "no AppArmor profile of this name is loaded", "apparmor_parser")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
}

// TestAppArmorProfileWithNoNewPrivileges: the kernel allows the change of profile at execve although
// no_new_privs is set, because the process had none before.
func TestAppArmorProfileWithNoNewPrivileges(t *testing.T) {
	needAppArmor(t)
	name := loadProfile(t, "")
	for _, namespace := range []func(*specs.Spec){func(*specs.Spec) {}, userns} {
		b := testbundle.New(t, testbundle.Sh("cat /proc/self/attr/current; grep NoNewPrivs /proc/self/status"), namespace,
			func(s *specs.Spec) { s.Process.ApparmorProfile, s.Process.NoNewPrivileges = name, true })
		b.Run().Prints(t, name+" (enforce)\nNoNewPrivs:\t1")
	}
}

func TestAppArmorProfileNotLoaded(t *testing.T) {
	needAppArmor(t)
	b := testbundle.New(t, testbundle.Args("true"), func(s *specs.Spec) { s.Process.ApparmorProfile = "none-such" })
	b.Run().Fails(t, "process.apparmorProfile", "no AppArmor profile of this name is loaded", "aa-status")
}
