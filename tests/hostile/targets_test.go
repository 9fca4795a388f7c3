package hostile

import (
	"fmt"
	"io/fs"
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

// volume turns the directory b.Host into a volume with files that have the names of devices and
// links.
func volume(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "console", "fuse", "sub/fuse"} {
		path := filepath.Join(b.Host, name)
		mkdir(t, filepath.Dir(path))
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// lost returns which of a volume's files have changed, and how.
func lost(b *testbundle.Bundle) (out []string) {
	_ = filepath.WalkDir(b.Host, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, b.Host+"/")
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			out = append(out, name+": "+d.Type().String())
		} else if text, err := os.ReadFile(path); err != nil || string(text) != name {
			out = append(out, fmt.Sprintf("%s: %q", name, text))
		}
		return nil
	})
	return out
}

// TestDevicesInAVolume: CVE-2026-41579, CVE-2026-47766: the image's /dev leads to the user's volume,
// or the volume's target to /dev, and the devices that the runtime creates replace files of the
// volume.
func TestDevicesInAVolume(t *testing.T) {
	onV := func(b *testbundle.Bundle) {
		testbundle.AddMount(specs.Mount{Destination: "/v", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
	}
	fuse := func(paths ...string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for _, p := range paths {
				s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: p, Type: "c", Major: 10, Minor: 229})
			}
		}
	}
	noDev := testbundle.NoMount(func(d string) bool { return strings.HasPrefix(d, "/dev") })
	terminal := func(s *specs.Spec) { s.Process.Terminal = true }
	for name, c := range map[string]struct {
		target, link string
		change       func(*specs.Spec)
	}{
		"/dev is a link":                  {"/v", "/dev", func(*specs.Spec) {}},
		"/dev is a link, terminal":        {"/v", "/dev", terminal},
		"/dev is a link, nothing on /dev": {"/v", "/dev", noDev},
		"/dev is a link, user namespace":  {"/v", "/dev", testbundle.UserNS},
		"volume on /dev":                  {"/dev", "/v", func(*specs.Spec) {}},
		"volume on /dev, terminal":        {"/dev", "/v", terminal},
		"volume on /dev, nothing on /dev": {"/dev", "/v", noDev},
		"volume on /dev, user namespace":  {"/dev", "/v", testbundle.UserNS},
		"volume below /dev":               {"/dev", "/v", fuse("/dev/sub/fuse")},
		"device through a link":           {"/v", "/opt/link", fuse("/opt/link/fuse", "/opt/link/sub/fuse")},
		"device below a link, user namespace": {"/v/sub", "/opt/link", func(s *specs.Spec) {
			testbundle.UserNS(s)
			fuse("/opt/link/fuse")(s)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"), c.change)
			volume(t, b)
			mkdir(t, b.Path("/v"))
			b.Link(c.target, c.link)
			onV(b)
			run := b.Run
			if b.Spec.Process.Terminal {
				run = b.RunTerminal
			}
			if r := run(); r.Status != 0 && !strings.Contains(r.Stderr, "config.json: ") {
				t.Errorf("%s", r.Stderr)
			}
			for _, what := range lost(b) {
				t.Error("the volume's file was replaced: ", what)
			}
		})
	}
	t.Run("images", func(t *testing.T) {
		for _, link := range [][2]string{{"/v", "/dev"}, {"/dev", "/v"}} {
			b := testbundle.New(t)
			volume(t, b)
			mkdir(t, b.Path("/v"))
			b.Link(link[0], link[1])
			withStore(t, b)
			_ = b.Minirun("run", "--rm", "-v", b.Host+":/v", "box", "true")
			for _, what := range lost(b) {
				t.Errorf("%s -> %s: the volume's file was replaced: %s", link[1], link[0], what)
			}
		}
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		volume(t, b)
		b.Link(b.Host, "/dev")
		naively(t, b, `rm "$ROOT/dev/null"; mknod "$ROOT/dev/null" c 1 3`)
		volume(t, b)
		if err := os.Rename(filepath.Join(b.Host, "null"), filepath.Join(b.Host, "zero")); err != nil || len(lost(b)) != 1 {
			t.Errorf("the check does not see a file that was replaced: %v, %q", err, lost(b))
		}
	})
}

// TestOtherPathsThroughLinks: everything else in config.json that creates or hides a path (the class
// of CVE-2024-45310: directories and files created on the host).
func TestOtherPathsThroughLinks(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"process.cwd":        func(s *specs.Spec) { s.Process.Cwd = "/evil/made/here" },
		"process.cwd itself": func(s *specs.Spec) { s.Process.Cwd = "/evil" },
		"linux.devices": func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/evil/null", Type: "c", Major: 1, Minor: 3}}
		},
		"linux.devices deep":  func(s *specs.Spec) { s.Linux.Devices = []specs.LinuxDevice{{Path: "/evil/a/b", Type: "p"}} },
		"linux.maskedPaths":   func(s *specs.Spec) { s.Linux.MaskedPaths = []string{"/evil", "/evil/x"} },
		"linux.readonlyPaths": func(s *specs.Spec) { s.Linux.ReadonlyPaths = []string{"/evil", "/evil/x"} },
		"user namespace devices": func(s *specs.Spec) {
			testbundle.UserNS(s)
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/evil/zero", Type: "c", Major: 1, Minor: 5}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"), testbundle.Writable, change)
			for _, target := range toHost(t, b, "/evil") {
				b.Link(target, "/evil")
				if r := b.Run(); r.Status != 0 && !strings.Contains(r.Stderr, "config.json: ") {
					t.Errorf("%s", r.Stderr)
				}
				untouched(t, b)
			}
		})
	}
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t)
		b.Link(b.Host, "/evil")
		naively(t, b, `mkdir -p "$ROOT/evil/made/here"`)
		naively(t, b, `mknod "$ROOT/evil/null" c 1 3`)
		naively(t, b, `mount --bind /usr "$ROOT/evil"`)
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

// TestCopyUpOfHostileTree: tmpcopyup reads a directory of the image: symbolic links, FIFOs and
// devices in it are copied, but neither followed nor opened.
func TestCopyUpOfHostileTree(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("readlink /evil/link; stat -c %F /evil/fifo; ls /evil/dir"),
		testbundle.AddMount(specs.Mount{Destination: "/evil", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}))
	b.Link(b.Host, "/evil/link")
	b.Link(b.Host, "/evil/dir/sub")
	if err := unix.Mkfifo(b.Path("/evil/fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Run().Prints(t, b.Host+"\nfifo\nsub")
	untouched(t, b)
	t.Run("naive", func(t *testing.T) {
		// A copy that follows links includes the host's files.
		if err := os.WriteFile(filepath.Join(b.Host, "secret"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		naively(t, b, `rm "$ROOT/evil/fifo"; cp -rL "$ROOT/evil" "$ROOT/copy"; [ -e "$ROOT/copy/link/secret" ]`)
	})
}

// TestCopyUpKeepsOptions: a tmpfs with a private mode stays private, although the image's directory
// of that name is readable by all users.
func TestCopyUpKeepsOptions(t *testing.T) {
	for _, c := range []struct{ options, want string }{
		{"mode=0700,uid=1000,gid=1001", "700 1000 1001 755 0 0"},
		{"mode=0700", "700 5 6 755 0 0"},
		{"uid=1000", "755 1000 6 755 0 0"},
		{"gid=1001", "755 5 1001 755 0 0"},
		{"size=64k", "755 5 6 755 0 0"},
		{"mode=0700,ro", "700 5 6 755 0 0"},
	} {
		options := append(strings.Split(c.options, ","), "tmpcopyup")
		b := testbundle.New(t, dockersDefault, testbundle.Sh("stat -c '%a %u %g' /home /home/user | xargs"),
			testbundle.AddMount(specs.Mount{Destination: "/opt", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup", "mode=0711"}}),
			testbundle.AddMount(specs.Mount{Destination: "/home", Type: "tmpfs", Source: "tmpfs", Options: options}))
		if err := os.Chown(b.Path("/home"), 5, 6); err != nil {
			t.Fatal(err)
		}
		t.Run(c.options, func(t *testing.T) { b.Run().Prints(t, c.want) })
	}
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
