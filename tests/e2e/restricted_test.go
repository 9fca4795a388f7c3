package e2e

import (
	"os"
	"strings"
	"testing"
)

// setKernelParameter changes a parameter of the whole machine for the duration of the test. It skips the
// test outside of tests/vm's machines, where other programs would notice.
func setKernelParameter(t *testing.T, path, value string) {
	t.Helper()
	if _, err := os.Stat("/run/job/kind"); err != nil {
		t.Skip("changes the whole machine: needs tests/vm/run")
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Skip("this kernel does not have it: ", err)
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(path, old, 0o644); err != nil {
			t.Error(err)
		}
	})
}

// TestUserNamespacesNotAllowed: where the machine's settings refuse user namespaces to users, the error
// names the setting.
func TestUserNamespacesNotAllowed(t *testing.T) {
	for path, hint := range map[string]string{
		"/proc/sys/user/max_user_namespaces":         "sysctl user.max_user_namespaces=10000",
		"/proc/sys/kernel/unprivileged_userns_clone": "sysctl kernel.unprivileged_userns_clone=1",
	} {
		t.Run(path[strings.LastIndex(path, "/")+1:], func(t *testing.T) {
			u := asUser(t, false, "echo ran")
			u.Global = cgroupless
			u.minirun(t, "run", u.ID, u.Dir).Prints(t, "ran")
			setKernelParameter(t, path, "0")
			r := u.minirun(t, "run", u.ID, u.Dir)
			r.Fails(t, "linux.uidMappings", "this machine allows", hint)
			if strings.Count(r.Stderr, "hint:") != 1 {
				t.Errorf("not one hint: %s", r.Stderr)
			}
		})
	}
}
