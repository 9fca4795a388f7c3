package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// withGroups runs a command with supplementary groups.
func withGroups(t *testing.T, cmd *exec.Cmd, groups ...uint32) testbundle.Result {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Groups: groups}}
	return testbundle.Finish(t, cmd)
}

// TestKeepOriginalGroups: with run.oci.keep_original_groups a process keeps the supplementary groups
// of minirun's caller, as in crun, for Podman's --group-add keep-groups.
func TestKeepOriginalGroups(t *testing.T) {
	testbundle.Need(t)
	for _, c := range []struct {
		name, value, want string
		change            func(*specs.Spec)
	}{
		{"kept", "1", "5 20", func(*specs.Spec) {}},
		{"kept without a value", "", "5 20", func(*specs.Spec) {}},
		{"turned off", "0", "7", func(s *specs.Spec) { s.Process.User.AdditionalGids = []uint32{7} }},
		{"kept by another user", "1", "5 20", func(s *specs.Spec) { s.Process.User = specs.User{UID: 1000, GID: 1000} }},
		{"kept in a user namespace", "1", "65534", userns},
	} {
		b := testbundle.New(t, testbundle.Sh("sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status"), c.change)
		b.Spec.Annotations = map[string]string{"run.oci.keep_original_groups": c.value}
		b.Write()
		r := withGroups(t, b.Command("run", b.ID, b.Dir), 5, 20)
		if got := strings.Join(strings.Fields(r.Stdout), " "); got != c.want && got != c.want+" "+c.want {
			t.Errorf("%s: groups %q, want %q: %s", c.name, got, c.want, r.Stderr)
		}
	}

	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.Spec.Annotations = map[string]string{"run.oci.keep_original_groups": "1"}
	detached(t, b)
	const show = "sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status"
	for want, flags := range map[string][]string{"8": nil, "9": {"--additional-gids", "9"}} {
		args := append(append([]string{"exec"}, flags...), b.ID, "sh", "-c", show)
		if r := withGroups(t, b.Command(args...), 8); strings.TrimSpace(r.Stdout) != want {
			t.Errorf("exec %v: groups %q, want %q: %s", flags, r.Stdout, want, r.Stderr)
		}
	}
}

// TestSeccompFailsForUnknownCall: with run.oci.seccomp_fail_unknown_syscall, a name that is not a
// system call is an error; a system call of another architecture is not.
func TestSeccompFailsForUnknownCall(t *testing.T) {
	for name, fails := range map[string]bool{"no_such_call": true, "s390_runtime_instr": false, "personality": false} {
		for _, value := range []string{"1", "0"} {
			b := testbundle.New(t, testbundle.Args("true"), seccomp(specs.LinuxSyscall{Names: []string{name}, Action: specs.ActErrno}))
			b.Spec.Annotations = map[string]string{"run.oci.seccomp_fail_unknown_syscall": value}
			if r := b.Run(); fails && value == "1" {
				r.Fails(t, "linux.seccomp.syscalls", name)
			} else {
				r.Exit(t, 0)
			}
		}
	}
}

// TestCrunAnnotationsWithoutEffect: a warning names the annotations that crun acts on and minirun
// ignores. An annotation that neither of them knows causes no warning.
func TestCrunAnnotationsWithoutEffect(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	b.Spec.Annotations = map[string]string{"run.oci.handler": "krun", "run.oci.unknown": "x", "run.oci.systemd.subgroup": ""}
	r := b.Run()
	r.Exit(t, 0)
	if strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, `annotations["run.oci.handler"]: is an extension of crun that has no effect`) {
		t.Errorf("%q", r.Stderr)
	}
}
