package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
)

// check fails unless a finding has a verdict and its texts contain what is expected.
func check(t *testing.T, f Finding, verdict Verdict, found, fix string) {
	t.Helper()
	if f.Verdict != verdict || !strings.Contains(f.Found, found) || !strings.Contains(f.Fix, fix) {
		t.Errorf("%+v, want %s, %q, fix %q", f, verdict, found, fix)
	}
	if f.Verdict == Fail && f.Fix == "" {
		t.Errorf("%+v does not tell how to fix it", f)
	}
}

func TestWorst(t *testing.T) {
	for _, c := range []struct {
		verdicts []Verdict
		want     Verdict
	}{
		{nil, OK},
		{[]Verdict{OK, Info}, OK},
		{[]Verdict{Info, Warn, OK}, Warn},
		{[]Verdict{Fail, Warn}, Fail},
		{[]Verdict{Warn, Fail, OK}, Fail},
	} {
		var all []Finding
		for _, v := range c.verdicts {
			all = append(all, Finding{Verdict: v})
		}
		if got := Worst(all); got != c.want {
			t.Errorf("%v: %s, want %s", c.verdicts, got, c.want)
		}
	}
}

func TestKernelVersions(t *testing.T) {
	check(t, judgeKernel("4.19.0-26-amd64", "x86_64"), Fail, "Linux 4.19.0-26-amd64 on x86_64", "5.12")
	check(t, judgeKernel("5.11.22", "x86_64"), Fail, "", "5.12")
	check(t, judgeKernel("5.12.0", "x86_64"), OK, "", "6.8")
	check(t, judgeKernel("6.1.0-9-arm64", "aarch64"), OK, "", "6.8")
	for _, release := range []string{"6.8.0", "6.12.3", "7.0"} {
		if f := judgeKernel(release, "x86_64"); f.Verdict != OK || f.Fix != "" {
			t.Errorf("%+v: nothing is wrong with it", f)
		}
	}
}

func TestOverlay(t *testing.T) {
	check(t, judgeOverlay(nil, ""), OK, "can be stacked", "")
	check(t, judgeOverlay(unix.EPERM, "nodev\ttmpfs\nnodev\toverlay\n\text4"), OK, "user namespace", "")
	check(t, judgeOverlay(unix.ENODEV, "nodev\ttmpfs\n\tecryptfs-overlay\n"), Warn, "no such device",
		"modprobe overlay")
}

func TestMemfd(t *testing.T) {
	check(t, judgeMemfd(nil, false), OK, "supported", "")
	check(t, judgeMemfd(unix.EACCES, true), Warn, "tmpfs", "vm.memfd_noexec")
	check(t, judgeMemfd(unix.EACCES, false), Fail, "permission denied", "vm.memfd_noexec")
}

func TestPrivilege(t *testing.T) {
	const all = 1<<41 - 1
	check(t, judgePrivilege(1000, all, 40), Info, "user 1000", "--rootless")
	check(t, judgePrivilege(0, all, 40), OK, "all capabilities", "")
	check(t, judgePrivilege(0, all&^(1<<unix.CAP_SYS_RESOURCE), 40), Warn, "root without CAP_SYS_RESOURCE", "more")
	check(t, judgePrivilege(0, 1<<unix.CAP_CHOWN, 40), Fail, "CAP_SYS_ADMIN", "--privileged")
	// An older kernel does not know the last capabilities: they are not missing.
	check(t, judgePrivilege(0, 1<<38-1, 37), OK, "all capabilities", "")
	if got := effectiveCapabilities("Name:\tx\nCapPrm:\t0\nCapEff:\t00000000a80425fb\n"); got != 0xa80425fb {
		t.Errorf("the effective set is %#x", got)
	}
}

func TestNamespaceKinds(t *testing.T) {
	check(t, judgeNamespaces([]string{"mount", "pid", "time"}, nil, nil), OK, "mount pid time", "")
	check(t, judgeNamespaces([]string{"mount", "pid"}, []string{"time"}, nil), Warn, "mount pid; not time", "CONFIG_")
	check(t, judgeNamespaces([]string{"uts"}, []string{"pid"}, errors.New("no space")), Fail, "not pid: no space",
		"max_")
}

func TestUserNamespaces(t *testing.T) {
	check(t, judgeUserNamespaces(namespaces.UserNamespaceSettings{Limit: "100"}), OK, "up to 100", "")
	check(t, judgeUserNamespaces(namespaces.UserNamespaceSettings{Limit: "0", Debian: "1"}), Warn, "up to 0",
		"max_user_namespaces")
	check(t, judgeUserNamespaces(namespaces.UserNamespaceSettings{Limit: "9", Debian: "0"}), Warn, "only for root",
		"unprivileged_userns_clone=1")
	check(t, judgeUserNamespaces(namespaces.UserNamespaceSettings{Limit: "9", Restricted: "1"}), Warn, "AppArmor", "profile")
}

func TestControllers(t *testing.T) {
	v2 := []string{"pids", "cpu", "memory", "io", "cpuset", "cpu"}
	check(t, judgeCgroups("v2", true, v2), OK, "v2: cpu cpuset io memory pids", "")
	if f := judgeCgroups("v2", true, v2); f.Fix != "" {
		t.Errorf("%+v: nothing is missing", f)
	}
	check(t, judgeCgroups("v1", false, []string{"memory", "cpu", "pids", "cpuset", "blkio"}), OK, "v1: blkio",
		"unified_cgroup_hierarchy")
	check(t, judgeCgroups("v2", true, []string{"cpu", "pids", "cpuset", "io"}), Warn, "; not memory",
		"cgroup_enable=memory")
	check(t, judgeCgroups("hybrid", false, nil), Warn, "; not memory cpu pids cpuset io", "; for version 2")
}

// TestStateDirectory: of a directory that does not exist yet, the nearest parent decides.
func TestStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	check(t, checkStateDirectory(dir), OK, dir, "")
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Error("the check has created a directory")
	}
	if os.Geteuid() == 0 {
		t.Skip("root may write to every directory")
	}
	readonly := t.TempDir()
	if err := os.Chmod(readonly, 0o500); err != nil {
		t.Fatal(err)
	}
	check(t, checkStateDirectory(filepath.Join(readonly, "state")), Fail, readonly, "--root")
}

func TestCountLines(t *testing.T) {
	for text, want := range map[string]int{"": 0, "a:1:2": 1, "a:1:2\n\nb:3:4": 2} {
		if got := countLines(text); got != want {
			t.Errorf("%q: %d lines, want %d", text, got, want)
		}
	}
}
