package hostile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// noProc removes the default mount of /proc.
var noProc = testbundle.NoMount(func(d string) bool { return d == "/proc" })

// TestRedirectedProcWrites: CVE-2019-16884, CVE-2025-52881, CVE-2025-62596: what the runtime writes
// to /proc (sysctls, labels) ends up in a file of the image, or is written to a file that the image
// selects. minirun writes to the host's /proc before the image's becomes visible.
func TestRedirectedProcWrites(t *testing.T) {
	const false_ = "/proc/sys/net/ipv4/ip_forward"
	sysctl := func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1"} }
	real := testbundle.AddMount(specs.Mount{Destination: "/mnt", Type: "proc", Source: "proc"})
	show := testbundle.Sh("cat /mnt/sys/net/ipv4/ip_forward")
	noMasks := func(s *specs.Spec) { s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil }

	check := func(t *testing.T, b *testbundle.Bundle, file string) {
		t.Helper()
		if text, _ := os.ReadFile(file); string(text) != "false" {
			t.Errorf("the write was redirected: %s holds %q", file, text)
		}
	}
	refused := func(t *testing.T, b *testbundle.Bundle) {
		t.Helper()
		b.Run().Fails(t, "config.json: mounts[", "destination", "/proc")
	}
	t.Run("a directory of the image", func(t *testing.T) {
		b := testbundle.New(t, noProc, sysctl, real, show, noMasks)
		b.File(false_, "false", 0o666)
		b.Run().Prints(t, "1")
		check(t, b, b.Path(false_))
	})
	t.Run("a bind mount on /proc", func(t *testing.T) {
		b := testbundle.New(t, noProc, sysctl, show, noMasks)
		if err := os.MkdirAll(filepath.Join(b.Host, "sys/net/ipv4"), 0o755); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(b.Host, "sys/net/ipv4/ip_forward")
		if err := os.WriteFile(file, []byte("false"), 0o666); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(specs.Mount{Destination: "/proc", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
		real(b.Spec)
		refused(t, b)
		check(t, b, file)
	})
	t.Run("a file mounted over the sysctl", func(t *testing.T) {
		b := testbundle.New(t, sysctl, show, noMasks)
		file := filepath.Join(b.Host, "false")
		if err := os.WriteFile(file, []byte("false"), 0o666); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(specs.Mount{Destination: false_, Source: file, Options: []string{"bind"}})(b.Spec)
		real(b.Spec)
		refused(t, b)
		check(t, b, file)
	})
	t.Run("mounts over /proc/self and its attributes", func(t *testing.T) {
		b := testbundle.New(t, sysctl, show, noMasks)
		for _, where := range []string{"/proc/1/attr", "/proc/1/fd", "/proc/sys"} {
			testbundle.AddMount(specs.Mount{Destination: where, Type: "tmpfs", Source: "tmpfs"})(b.Spec)
		}
		real(b.Spec)
		refused(t, b)
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, noProc, testbundle.Sh("echo 1 > "+false_), noMasks, testbundle.Writable)
		b.File(false_, "false", 0o666)
		b.Run().Exit(t, 0) // a write by path, from inside
		if text, _ := os.ReadFile(b.Path(false_)); string(text) == "false" {
			t.Error("the check does not see a redirected write")
		}
	})
}

// TestMaskSource: CVE-2025-31133, CVE-2025-62161: the image's /dev/null is another file, and masking
// /proc/kcore with it mounts that file, writable, inside /proc.
func TestMaskSource(t *testing.T) {
	noDev := testbundle.NoMount(func(d string) bool { return strings.HasPrefix(d, "/dev") })
	mask := func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/proc/version", "/etc/masked"} }
	for name, target := range map[string]string{
		"core_pattern": "/proc/sys/kernel/core_pattern", "sysrq": "/proc/sysrq-trigger", "a file": "/etc/passwd", "nothing": "/does/not/exist", "a directory": "/etc",
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, noDev, mask, testbundle.Sh("stat -c '%F %t:%T' /proc/version /etc/masked /dev/null"))
			b.File("/etc/masked", "secret", 0o644)
			b.Link(target, "/dev/null")
			b.Run().Prints(t, strings.Repeat("character special file 1:3\n", 3))
		})
	}
	t.Run("with /dev bound from a volume", func(t *testing.T) {
		// In this case minirun creates no devices, and /dev/null is the volume's.
		b := testbundle.New(t, noDev, mask, testbundle.Sh("stat -c '%F %t:%T' /proc/version /etc/masked"))
		b.File("/etc/masked", "secret", 0o644)
		if err := os.Symlink("/proc/sys/kernel/core_pattern", filepath.Join(b.Host, "null")); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(specs.Mount{Destination: "/dev", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
		b.Run().Prints(t, strings.Repeat("character special file 1:3\n", 2))
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, noDev, testbundle.Sh("stat -c '%F %t:%T' /etc/masked"))
		b.File("/etc/masked", "", 0o644)
		b.Link(b.Path("/etc/passwd"), "/dev/null")
		// mount(2) follows the symbolic link: the mask is a file that the attacker selects.
		testbundle.AddMount(specs.Mount{Destination: "/etc/masked", Source: b.Path("/dev/null"), Options: []string{"bind"}})(b.Spec)
		if r := b.Run(); strings.Contains(r.Stdout, "1:3") || r.Status != 0 {
			t.Errorf("masking by the image's path is not seen by the check: %s %s", r.Stdout, r.Stderr)
		}
	})
}

// TestConsoleTarget: CVE-2025-52565: /dev/console or /dev/pts/* of the image is a symbolic link, and
// the terminal is mounted over its target, which then escapes masking.
func TestConsoleTarget(t *testing.T) {
	const mounted = "awk '$5==\"/etc/passwd\" || $5==\"/proc/sys/kernel/core_pattern\"{n++} END{print n+0}' /proc/self/mountinfo"
	noDev := testbundle.NoMount(func(d string) bool { return d == "/dev" })
	for name, target := range map[string]string{"core_pattern": "/proc/sys/kernel/core_pattern", "the host": "HOST", "a file": "/etc/passwd", "pts": "pts/0"} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, noDev, testbundle.Sh("stat -c %F /proc/sys/kernel/core_pattern /etc/passwd; "+mounted),
				func(s *specs.Spec) { s.Process.Terminal = true })
			for _, d := range []string{"/dev/pts", "/dev/shm", "/dev/mqueue"} {
				if err := os.MkdirAll(b.Path(d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			b.Link(strings.Replace(target, "HOST", b.Host, 1), "/dev/console")
			r := b.RunTerminal()
			if r.Status != 0 && strings.Contains(r.Stderr, "config.json: process.terminal: ") && strings.Contains(r.Stderr, "/dev/console") {
				return // rejected
			}
			if r.Stdout != "regular empty file\nregular file\n0\n" {
				t.Errorf("the terminal is elsewhere: %s %s", r.Stdout, r.Stderr)
			}
			untouched(t, b)
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, noDev, testbundle.Sh(mounted))
		testbundle.AddMount(specs.Mount{Destination: "/etc/passwd", Source: "/dev/null", Options: []string{"bind"}})(b.Spec)
		b.Run().Prints(t, "1")
	})
}

// TestWorkingDirectory: CVE-2024-21626: process.cwd, or a symbolic link in the image, refers to a
// descriptor of the host that the runtime has left open.
func TestWorkingDirectory(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("pwd; ls -d "+strings.Repeat("../", 20)+"work 2>/dev/null; cat ../../../../../../../../etc/shadow 2>/dev/null; true"))
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	leak := make([]*os.File, 12)
	for i := range leak {
		leak[i] = dir
	}
	try := func(t *testing.T, cwd string) {
		t.Helper()
		b.Spec.Process.Cwd = cwd
		b.Write()
		cmd := b.Command("run", b.ID, b.Dir)
		cmd.ExtraFiles = leak
		r := testbundle.Finish(t, cmd)
		if r.Status == 0 {
			t.Errorf("cwd %s was accepted: %s", cwd, r.Stdout)
		}
		if !strings.Contains(r.Stderr, "config.json: process.cwd") {
			t.Errorf("cwd %s: %s", cwd, r.Stderr)
		}
	}
	for fd := 3; fd < 24; fd++ {
		for _, form := range []string{"/proc/self/fd/%d", "/proc/self/fd/%d/../..", "/proc/1/fd/%d", "/proc/thread-self/fd/%d"} {
			try(t, fmt.Sprintf(form, fd))
		}
		if fd%5 == 0 {
			b.Link(fmt.Sprintf("/proc/self/fd/%d", fd), "/link")
			try(t, "/link")
			b.Link("/link", "/link2")
			try(t, "/link2")
		}
	}
	for _, cwd := range []string{"/proc/self/cwd", "/proc/1/root", "/proc/self/root/tmp"} {
		b.Spec.Process.Cwd = cwd
		if r := b.Run(); r.Status == 0 && strings.Contains(r.Stdout, "work") {
			t.Errorf("cwd %s: %s", cwd, r.Stdout)
		}
	}
	t.Run("naive", func(t *testing.T) {
		// chdir(2) in a chroot with an open descriptor of the host.
		if err := unix.Mount("proc", b.Path("/proc"), "proc", 0, ""); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Unmount(b.Path("/proc"), unix.MNT_DETACH) }()
		cmd := exec.Command("/bin/busybox", "sh", "-c", "cd /proc/self/fd/7 && ls -d tmp/"+filepath.Base(filepath.Dir(filepath.Dir(b.Dir))))
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: b.Path("/")}
		cmd.ExtraFiles, cmd.Dir = leak, "/"
		cmd.Env = []string{"PATH=/bin"}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "minirun-test") {
			t.Errorf("the unguarded way does not lead out: %v: %s", err, out)
		}
	})
}

// TestKernelFilesAreReadOnly: files in /proc and /sys with which root configures the host
// (core_pattern, sysrq-trigger, uevent_helper).
func TestKernelFilesAreReadOnly(t *testing.T) {
	files := []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/modprobe", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state"}
	var script string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			script += "probe open " + f + ";"
		}
	}
	want := strings.TrimSpace(strings.Repeat("EROFS\n", strings.Count(script, ";")))
	b := testbundle.New(t, testbundle.Sh(script))
	r := b.Run()
	// Some have no read permission, which some kernels report first.
	r.Stdout = strings.ReplaceAll(r.Stdout, "EACCES", "EROFS")
	r.Prints(t, want)
	t.Run("in a user namespace", func(t *testing.T) {
		b := testbundle.New(t, testbundle.UserNS, testbundle.Sh(script))
		r := b.Run()
		r.Exit(t, 0)
		if strings.Contains(r.Stdout, "OK") {
			t.Error(r.Stdout)
		}
	})
	t.Run("remounting needs CAP_SYS_ADMIN", func(t *testing.T) {
		testbundle.New(t, testbundle.Sh("probe remount-rw /proc/sys; probe umount /proc/sys; probe umount /proc; probe mount proc /mnt proc ''")).Run().
			Prints(t, strings.TrimSpace(strings.Repeat("EPERM\n", 4)))
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Sh("probe open /proc/sys/kernel/core_pattern"), func(s *specs.Spec) { s.Linux.ReadonlyPaths = nil })
		b.Run().Prints(t, "OK")
	})
}

// TestReleaseAgent: CVE-2022-0492 and similar: with a writable release_agent or a hierarchy that can
// be mounted, a program runs on the host.
func TestReleaseAgent(t *testing.T) {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		t.Skip("the host has cgroup v2 alone, which has no release_agent")
	}
	b := testbundle.New(t, testbundle.Sh("find /sys/fs/cgroup -name release_agent | wc -l; probe mount cgroup /mnt cgroup pids; for f in /sys/fs/cgroup/*/notify_on_release; do probe open $f; done | sort -u"))
	b.Run().Prints(t, "0\nEPERM\nEROFS")
	testbundle.With(specs.CgroupNamespace, "")(b.Spec)
	b.Run().Prints(t, "0\nEPERM\nEROFS")
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Can("CAP_SYS_ADMIN"), testbundle.Sh("probe mount cgroup /mnt cgroup pids; find /mnt -maxdepth 1 -name release_agent | wc -l"))
		b.Run().Prints(t, "OK\n1")
	})
}

// TestCgroupThroughSys: CVE-2023-25809: with /sys bind-mounted from the host and no cgroup namespace,
// the host's cgroups are writable.
func TestCgroupThroughSys(t *testing.T) {
	change := func(s *specs.Spec) {
		for i := range s.Mounts {
			if m := &s.Mounts[i]; m.Destination == "/sys" {
				*m = specs.Mount{Destination: "/sys", Type: "none", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro"}}
			}
		}
	}
	script := testbundle.Sh("for d in /sys/fs/cgroup /sys/fs/cgroup/*; do [ -d $d ] && mkdir $d/minirun-test-escape 2>/dev/null && echo $d && rmdir $d/minirun-test-escape; done; true")
	b := testbundle.New(t, testbundle.UserNS, change, script)
	b.Run().Prints(t, "")
	b = testbundle.New(t, change, script)
	b.Run().Prints(t, "")
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, change, script, testbundle.NoMount(func(d string) bool { return d == "/sys/fs/cgroup" }))
		if r := b.Run(); strings.TrimSpace(r.Stdout) == "" {
			t.Errorf("without the container's own mount of /sys/fs/cgroup the host's is not writable either: %s", r.Stderr)
		}
	})
}
