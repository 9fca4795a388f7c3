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

// TestMountsStayInside: a mount that is made for the container, or by it, below a path that it shares
// with the host, does not appear on the host, whose mounts are shared.
func TestMountsStayInside(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"default":        func(*specs.Spec) {},
		"user namespace": testbundle.UserNS,
		"rslave":         func(s *specs.Spec) { s.Linux.RootfsPropagation = "rslave" },
		"rprivate":       func(s *specs.Spec) { s.Linux.RootfsPropagation = "rprivate" },
		"rshared":        func(s *specs.Spec) { s.Linux.RootfsPropagation = "rshared" },
	} {
		t.Run(name, func(t *testing.T) {
			// A separate directory of the test, unmounted at the end: b.Host is watched.
			shared := filepath.Join(t.TempDir(), "shared")
			for _, d := range []string{"by-us", "by-it"} {
				if err := os.MkdirAll(filepath.Join(shared, d), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			b := testbundle.New(t, testbundle.Can("CAP_SYS_ADMIN"), change,
				testbundle.AddMount(specs.Mount{Destination: "/mnt", Source: shared, Options: []string{"rbind"}}),
				testbundle.AddMount(specs.Mount{Destination: "/mnt/by-us", Type: "tmpfs", Source: "tmpfs"}),
				testbundle.Sh("probe mount tmpfs /mnt/by-it tmpfs ''; probe mount tmpfs /tmp tmpfs ''"))
			b.Run("--preserve-fds=0").Prints(t, "OK\nOK")
			// The leak check of New compares the mounts.
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		naively(t, b, `unshare -m --propagation unchanged mount -t tmpfs tmpfs "$HOST"`)
		// If config.json requests it, the mount does propagate, and the check detects it.
		shared := t.TempDir()
		if err := unix.Mount("tmpfs", shared, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(shared, unix.MNT_DETACH) })
		if err := os.Mkdir(filepath.Join(shared, "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		b = testbundle.New(t, testbundle.Can("CAP_SYS_ADMIN"), testbundle.Sh("probe mount tmpfs /mnt/x tmpfs ''"),
			func(s *specs.Spec) { s.Linux.RootfsPropagation = "rshared" },
			testbundle.AddMount(specs.Mount{Destination: "/mnt", Source: shared, Options: []string{"rbind", "rshared"}}))
		before := b.Snapshot()
		b.Run().Prints(t, "OK")
		if leaks := b.LeaksSince(before); len(leaks) != 1 {
			t.Errorf("a mount that does propagate is not seen: %v", leaks)
		}
		_ = unix.Unmount(filepath.Join(shared, "x"), unix.MNT_DETACH)
	})
}

// TestHostMountsStayOutside: the host's mounts are shared, and mounts that are made there below the
// bundle's root file system do not appear in the running container, unless rootfsPropagation requests
// it.
func TestHostMountsStayOutside(t *testing.T) {
	// appears mounts two file systems below the root of a running container, one of them on a mount
	// that was there before, and returns which of them are visible inside.
	appears := func(t *testing.T, b *testbundle.Bundle, flags ...string) (out []string) {
		t.Helper()
		testbundle.Sh("echo up; exec sleep 1000")(b.Spec)
		before, after, below := b.Path("/opt"), b.Path("/mnt"), b.Path("/opt/below")
		mount := func(path string) {
			mkdir(t, path)
			if err := unix.Mount("hosts", path, "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
		}
		mount(before)
		mkdir(t, below)
		pid, stop := b.Background(t, flags...)
		defer stop()
		mount(after)
		mount(below)
		for _, m := range testbundle.Mounts(fmt.Sprint(pid)) {
			for _, path := range []string{"/mnt", "/opt/below"} {
				if strings.HasPrefix(m, "tmpfs hosts ") && strings.Contains(m, " on "+path+" ") {
					out = append(out, path)
				}
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		change func(*specs.Spec)
		flags  []string
	}{
		"default":        {change: func(*specs.Spec) {}},
		"user namespace": {change: testbundle.UserNS},
		"no pivot":       {change: func(*specs.Spec) {}, flags: []string{"--no-pivot"}},
		"ephemeral":      {change: func(*specs.Spec) {}, flags: []string{"--ephemeral"}},
		"private":        {change: func(s *specs.Spec) { s.Linux.RootfsPropagation = "rprivate" }},
		"unbindable":     {change: func(s *specs.Spec) { s.Linux.RootfsPropagation = "runbindable" }},
	} {
		t.Run(name, func(t *testing.T) {
			if seen := appears(t, testbundle.New(t, c.change), c.flags...); len(seen) > 0 {
				t.Errorf("the host's mounts appear: %q", seen)
			}
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, func(s *specs.Spec) { s.Linux.RootfsPropagation = "rslave" })
		if seen := appears(t, b); len(seen) != 2 {
			t.Errorf("asked to appear, the host's mounts that do are %q", seen)
		}
	})
}
