package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestChrootEscape: a process that may call chroot keeps a directory open, changes its root to a
// directory below it, and walks up past the container's root.
func TestChrootEscape(t *testing.T) {
	secret := func(b *testbundle.Bundle) string {
		path := filepath.Join(filepath.Dir(b.Host), "secret")
		if err := os.WriteFile(path, []byte("of the host"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, flags := range [][]string{nil, {"--no-pivot"}, {"--ephemeral"}, {"--no-pivot", "--ephemeral"}} {
		b := testbundle.New(t, testbundle.Can("CAP_SYS_CHROOT"), testbundle.Writable)
		b.Spec.Process.Args = []string{"probe", "walkout", secret(b)}
		b.Run(flags...).Prints(t, "inside")
	}
	t.Run("naive", func(t *testing.T) {
		// Without a mount namespace only chroot(2) confines it.
		b := testbundle.New(t, testbundle.Can("CAP_SYS_CHROOT"), testbundle.Writable, testbundle.Without(specs.MountNamespace), func(s *specs.Spec) {
			s.Mounts, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
		})
		b.Spec.Process.Args = []string{"probe", "walkout", secret(b)}
		b.Run().Prints(t, "outside: of the host")
	})
}

// TestNoPivotHidesHostProc: with --no-pivot the old root stays mounted below the new one; a process
// that unmounts the new root must not find the host's /proc and /sys there.
func TestNoPivotHidesHostProc(t *testing.T) {
	host := func(b *testbundle.Bundle, flags ...string) string {
		pid, stop := b.Background(t, flags...)
		defer stop()
		var found []string
		for _, m := range testbundle.Mounts(fmt.Sprint(pid)) {
			if strings.HasPrefix(m, "proc ") || strings.HasPrefix(m, "sysfs ") {
				found = append(found, m)
			}
		}
		return strings.Join(found, "\n")
	}
	up := testbundle.Sh("echo up; exec sleep 1000")
	bare := testbundle.NoMount(func(d string) bool { return d == "/proc" || strings.HasPrefix(d, "/sys") })
	noMasks := func(s *specs.Spec) { s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil }
	for _, change := range []func(*specs.Spec){func(*specs.Spec) {}, testbundle.UserNS} {
		b := testbundle.New(t, up, bare, noMasks, change)
		if found := host(b, "--no-pivot"); found != "" {
			// In a user namespace the mounts cannot be unmounted, only hidden.
			pid, stop := b.Background(t, "--no-pivot")
			covered := coveredBy(t, pid)
			stop()
			if !covered {
				t.Errorf("the host's file systems are still there:\n%s", found)
			}
		}
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, up, noMasks) // a /proc and /sys that may be visible
		if found := host(b, "--no-pivot"); found == "" {
			t.Error("the check sees no proc at all")
		}
	})
}

// coveredBy reports whether the mounts of proc and sysfs in the old root are hidden by another mount.
func coveredBy(t *testing.T, pid int) bool {
	t.Helper()
	last := map[string]string{}
	for _, m := range testbundle.Mounts(fmt.Sprint(pid)) {
		f := strings.Fields(strings.SplitN(m, " on ", 2)[1])
		last[f[0]] = strings.Fields(m)[0]
	}
	return last["/proc"] == "tmpfs" && last["/sys"] == "tmpfs"
}

// TestDeviceNodesOfTheImage: a device node in the image, under any name or as a hard link, refers to
// the host's disk; the device cgroup denies access to it.
func TestDeviceNodesOfTheImage(t *testing.T) {
	var st unix.Stat_t
	if err := unix.Stat("/", &st); err != nil {
		t.Fatal(err)
	}
	b := testbundle.New(t, testbundle.Sh("probe openro /disk; probe openro /linked; probe openro /mem; probe mknod /tmp/d 1 1; probe openro /tmp/d"),
		testbundle.Can("CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_DAC_OVERRIDE"), testbundle.Writable)
	make := func(b *testbundle.Bundle) {
		for name, mode := range map[string]uint32{"/disk": unix.S_IFBLK, "/mem": unix.S_IFCHR} {
			dev := int(st.Dev)
			if mode == unix.S_IFCHR {
				dev = int(unix.Mkdev(1, 11)) // kmsg: opening it does no harm
			}
			if err := unix.Mknod(b.Path(name), mode|0o666, dev); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Link(b.Path("/disk"), b.Path("/linked")); err != nil {
			t.Fatal(err)
		}
	}
	make(b)
	r := b.Run()
	r.Exit(t, 0)
	if f := strings.Fields(r.Stdout); len(f) != 5 || f[0] != "EPERM" || f[1] != "EPERM" || f[2] != "EPERM" || f[4] == "OK" {
		t.Errorf("opening the disk, its link, a character device, making one, opening it: %v", f)
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, testbundle.Sh("probe openro /mem"), testbundle.Can("CAP_SYSLOG", "CAP_DAC_OVERRIDE"), func(s *specs.Spec) {
			s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
		})
		make(b)
		b.Run().Prints(t, "OK")
	})
}

// TestRootfsIsNotWrittenTo: CVE-2025-24965: the runtime writes a file to the root file system,
// through a symbolic link in the image. minirun creates mountpoints and devices, and nothing else.
func TestRootfsIsNotWrittenTo(t *testing.T) {
	b := testbundle.New(t)
	files := func() (list []string) {
		_ = filepath.Walk(b.Path("/"), func(path string, info os.FileInfo, err error) error {
			if err == nil {
				list = append(list, fmt.Sprint(path, info.Mode(), info.ModTime()))
			}
			return nil
		})
		return list
	}
	b.Run().Exit(t, 0) // creates mountpoints
	before := files()
	b.Run().Exit(t, 0)
	if after := files(); strings.Join(after, "\n") != strings.Join(before, "\n") {
		t.Errorf("the root file system has changed:\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	t.Run("naive", func(t *testing.T) {
		b.Link(b.Host, "/link")
		naively(t, b, `echo {} > "$ROOT/link/.krun_config.json"`)
	})
}
