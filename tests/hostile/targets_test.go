package hostile

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestMountTargetIsALink: CVE-2021-30465 without the race, CVE-2019-19921, CVE-2023-27561,
// CVE-2023-28642, CVE-2025-54867: a mount ends up where a symbolic link in the image leads on the
// host.
func TestMountTargetIsALink(t *testing.T) {
	mounts := map[string]specs.Mount{
		"tmpfs":      {Destination: "/evil", Type: "tmpfs", Source: "tmpfs"},
		"tmpfs sub":  {Destination: "/evil/sub/dir", Type: "tmpfs", Source: "tmpfs"},
		"bind":       {Destination: "/evil", Source: "/usr", Options: []string{"rbind", "ro"}},
		"bind sub":   {Destination: "/evil/sub/dir", Source: "/usr", Options: []string{"rbind", "ro"}},
		"bind file":  {Destination: "/evil/file", Source: "/etc/passwd", Options: []string{"bind"}},
		"copy up":    {Destination: "/evil", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}},
		"proc":       {Destination: "/evil", Type: "proc", Source: "proc"},
		"mqueue":     {Destination: "/evil/q", Type: "mqueue", Source: "mqueue"},
		"cgroup":     {Destination: "/evil", Type: "cgroup", Source: "cgroup", Options: []string{"ro"}},
		"cgroup sub": {Destination: "/evil/sub", Type: "cgroup", Source: "cgroup"},
	}
	for name, m := range mounts {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"), testbundle.AddMount(m))
			for form, target := range toHost(t, b, "/evil") {
				b.Link(target, "/evil")
				r := b.Run() // may fail, or stay inside
				if r.Status != 0 && !strings.Contains(r.Stderr, "config.json: mounts[7]") {
					t.Errorf("%s: failed for another reason: %s", form, r.Stderr)
				}
				untouched(t, b)
				// If the symbolic link's target is in the image as well, the mount is made there.
				if form == "absolute" && m.Type != "proc" {
					inside := b.Path(b.Host)
					if err := os.MkdirAll(inside, 0o755); err != nil {
						t.Fatal(err)
					}
					b.Run().Exit(t, 0)
					untouched(t, b)
				}
			}
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		for form, target := range toHost(t, b, "/evil") {
			if strings.HasPrefix(form, "through") {
				// From the test's own root they lead there too, but through the test's /proc.
				continue
			}
			b.Link(target, "/evil")
			naively(t, b, `mount -t tmpfs tmpfs "$ROOT/evil"`)
			naively(t, b, `mkdir -p "$ROOT/evil/sub/dir"`)
			naively(t, b, `touch "$ROOT/evil/file"`)
		}
	})
}

// TestSystemDirectoryIsALink: the default mounts, if the image's /proc, /sys or /dev is a symbolic
// link (CVE-2019-19921, CVE-2023-27561, CVE-2025-54867, CVE-2026-41579). The container does not
// start, and the host is not changed.
func TestSystemDirectoryIsALink(t *testing.T) {
	for _, dir := range []string{"/proc", "/sys", "/dev"} {
		t.Run(dir, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"))
			forms := toHost(t, b, dir)
			forms["to another directory"], forms["to /"], forms["to .."], forms["to itself"] = "/tmp", "/", "..", dir
			for form, target := range forms {
				b.Link(target, dir)
				if r := b.Run(); r.Status == 0 {
					t.Errorf("%s: the container runs with another %s", form, dir)
				} else {
					r.Fails(t, "config.json: mounts[", dir)
				}
				untouched(t, b)
			}
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		b.Link(b.Host, "/proc")
		naively(t, b, `mount -t proc proc "$ROOT/proc"`)
	})
}

// swap exchanges two names repeatedly until stop is called (renameat2(RENAME_EXCHANGE): both always
// exist).
func swap(t *testing.T, a, b string) (stop func()) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil && err != unix.EBUSY { // EBUSY: it is a mountpoint
					t.Error(err)
					return
				}
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

// TestMountTargetRace: CVE-2021-30465, CVE-2024-45310, CVE-2025-31133's race: another container that
// shares a volume exchanges a directory and a symbolic link while the mount is made.
func TestMountTargetRace(t *testing.T) {
	const runs = 60
	race := func(t *testing.T) *testbundle.Bundle {
		b := testbundle.New(t, testbundle.Args("true"))
		for _, dir := range []string{"/vol/a/sub", "/vol/b"} {
			if err := os.MkdirAll(b.Path(dir), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		b.Link(b.Host, "/vol/link")
		b.Link("a/made", "/vol/dangling")
		return b
	}
	for name, mounts := range map[string][]specs.Mount{
		"tmpfs": {{Destination: "/vol/a", Type: "tmpfs", Source: "tmpfs"}},
		"bind":  {{Destination: "/vol/a", Source: "/usr", Options: []string{"rbind"}}},
		"made":  {{Destination: "/vol/a/new/dir", Type: "tmpfs", Source: "tmpfs"}, {Destination: "/vol/a/new2/file", Source: "/etc/passwd", Options: []string{"bind"}}},
		"dangling": {
			{Destination: "/vol/dangling", Type: "tmpfs", Source: "tmpfs"},
			{Destination: "/vol/dangling/new/file", Source: "/etc/passwd", Options: []string{"bind"}},
			{Destination: "/vol/dangling/new2/dir", Source: "/usr", Options: []string{"rbind"}},
		},
		"one on other": {{Destination: "/vol", Source: "@", Options: []string{"rbind"}}, {Destination: "/vol/a/sub", Type: "tmpfs", Source: "tmpfs"}, {Destination: "/vol/a/x", Source: "/usr", Options: []string{"rbind"}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := race(t)
			for _, m := range mounts {
				if m.Source == "@" {
					m.Source = b.Path("/vol")
				}
				testbundle.AddMount(m)(b.Spec)
			}
			b.Spec.Linux.MaskedPaths = append(b.Spec.Linux.MaskedPaths, "/vol/a/sub", "/vol/a")
			b.Spec.Linux.ReadonlyPaths = append(b.Spec.Linux.ReadonlyPaths, "/vol/a")
			stop := swap(t, b.Path("/vol/a"), b.Path("/vol/link"))
			defer stop()
			good := 0
			for range runs {
				if r := b.Run(); r.Status == 0 {
					good++
				}
				if what := touched(b); len(what) > 0 {
					t.Fatalf("the host's directory was reached: %v", what)
				}
			}
			t.Logf("%d of %d runs found a directory", good, runs)
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := race(t)
		target := b.Path("/vol/a")
		stop := swap(t, target, b.Path("/vol/link"))
		defer stop()
		// Check, then mount by path.
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
			if info, err := os.Lstat(target); err != nil || !info.IsDir() {
				continue
			}
			if err := unix.Mount("tmpfs", target, "tmpfs", 0, ""); err != nil {
				continue
			}
			if len(touched(b)) > 0 {
				stop()
				clean(t, b)
				return
			}
			for _, p := range []string{target, b.Path("/vol/link")} {
				_ = unix.Unmount(p, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
			}
		}
		t.Error("looking before mounting was never too late: the race proves nothing")
	})
}

// TestHostilePasswd: minirun looks up HOME from outside.
func TestHostilePasswd(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo $HOME"))
	secret := filepath.Join(filepath.Dir(b.Host), "passwd")
	if err := os.WriteFile(secret, []byte("root:x:0:0::/leaked:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, hostile := range map[string]func(){
		"a link to the host": func() { b.Link(secret, "/etc/passwd") },
		"a relative link":    func() { b.Link("../../../passwd", "/etc/passwd") },
		"a magic link":       func() { b.Link("/proc/1/root"+secret, "/etc/passwd") },
		"a FIFO":             func() { os.Remove(b.Path("/etc/passwd")); _ = unix.Mkfifo(b.Path("/etc/passwd"), 0o644) },
		"a directory":        func() { os.Remove(b.Path("/etc/passwd")); _ = os.Mkdir(b.Path("/etc/passwd"), 0o755) },
		"an endless file":    func() { b.Link("/dev/zero", "/etc/passwd") },
		"a very long line":   func() { os.RemoveAll(b.Path("/etc/passwd")); b.File("/etc/passwd", strings.Repeat("x", 1<<22), 0o644) },
		"a home with a zero": func() {
			os.RemoveAll(b.Path("/etc/passwd"))
			b.File("/etc/passwd", "root:x:0:0::/a\x00PATH=/b:\n", 0o644)
		},
		"a very long home": func() {
			os.RemoveAll(b.Path("/etc/passwd"))
			b.File("/etc/passwd", "root:x:0:0::/"+strings.Repeat("x", 5000)+":\n", 0o644)
		},
		"another user's home": func() {
			os.RemoveAll(b.Path("/etc/passwd"))
			b.File("/etc/passwd", "a:x:00:0::/a:\n:::::\nroot:x:zero:0::/b:\n", 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			hostile()
			r := b.Run()
			r.Exit(t, 0)
			if strings.Contains(r.Stdout, "leaked") || len(r.Stdout) > 20 {
				t.Errorf("HOME is %.100q", r.Stdout)
			}
		})
	}
	t.Run("naive", func(t *testing.T) {
		b.Link(secret, "/etc/passwd")
		text, err := os.ReadFile(b.Path("/etc/passwd"))
		if err != nil || !strings.Contains(string(text), "leaked") {
			t.Errorf("by path the host's file is not found either: %q, %v", text, err)
		}
	})
}
