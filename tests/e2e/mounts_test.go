package e2e

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

// options prints the mount options of a path.
func options(path string) string {
	return "awk -v p=" + path + " '$5==p{print $6}' /proc/self/mountinfo"
}

// optional prints the optional fields, which show the propagation.
func optional(path string) string {
	return "awk -v p=" + path + " '$5==p{o=\"\";for(i=7;$i!=\"-\";i++){split($i,a,\":\");o=o a[1] \" \"};print o}' /proc/self/mountinfo"
}

func TestReadonlyRoot(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("touch /x 2>&1; touch /dev/shm/y && echo shm"))
	b.Run().Prints(t, "touch: /x: Read-only file system\nshm")
	b.Spec.Root.Readonly = false
	b.Run().Prints(t, "shm")
	if _, err := os.Stat(b.Path("/x")); err != nil {
		t.Error("a writable root was not written to:", err)
	}
}

// Read-only applies to the container's view, not to the host.
func TestReadonlyRootIsNotTheHosts(t *testing.T) {
	b := testbundle.New(t)
	b.Run().Exit(t, 0)
	b.File("/x", "host", 0o644)
}

func TestNoPivot(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("ls -d /bin /host 2>/dev/null; wc -l < /proc/self/mountinfo; cat /etc/passwd | head -1"))
	r := b.Run("--no-pivot")
	r.Exit(t, 0)
	if !strings.Contains(r.Stdout, "/bin\n") || !strings.Contains(r.Stdout, "root:x:0:0:root:/root:/bin/sh") {
		t.Error(r.Stdout)
	}
}

// TestMounts makes one mount per case and examines it from inside.
func TestMounts(t *testing.T) {
	const host = "@" // stands for the test's directory on the host
	for _, c := range []struct {
		name   string
		mount  specs.Mount
		script string
		want   string
	}{
		{"bind a directory", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind"}}, "cat /mnt/file; echo new > /mnt/written", "text"},
		{"bind a file", specs.Mount{Destination: "/etc/new/file", Source: host + "/file", Options: []string{"bind"}}, "cat /etc/new/file", "text"},
		{"bind over a file", specs.Mount{Destination: "/etc/passwd", Source: host + "/file", Options: []string{"bind"}}, "cat /etc/passwd", "text"},
		{"type bind as Docker writes it", specs.Mount{Destination: "/mnt", Type: "bind", Source: host, Options: []string{"rbind"}}, "cat /mnt/file", "text"},
		{"a deep place", specs.Mount{Destination: "/a/b/c/d", Source: host, Options: []string{"bind"}}, "cat /a/b/c/d/file", "text"},
		{"bind read-only", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "ro"}}, "touch /mnt/x 2>&1; " + options("/mnt"),
			"touch: /mnt/x: Read-only file system\nro,relatime"},
		{"bind nosuid nodev noexec", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "nosuid", "nodev", "noexec"}}, options("/mnt"), "rw,nosuid,nodev,noexec,relatime"},
		{"noatime", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "noatime"}}, options("/mnt"), "rw,noatime"},
		{"strictatime", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "strictatime"}}, options("/mnt"), "rw"},
		{"nosymfollow", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "nosymfollow"}}, "cat /mnt/link 2>&1; true", "cat: can't open '/mnt/link': Too many levels of symbolic links"},
		{"bind leaves submounts", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind"}}, "ls /mnt/sub", ""},
		{"rbind brings submounts", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind"}}, "ls /mnt/sub", "below"},
		{"rbind ro is not recursive", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "ro"}}, "touch /mnt/x 2>/dev/null || echo ro; touch /mnt/sub/x && echo rw", "ro\nrw"},
		{"rro is", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "rro"}}, "touch /mnt/x 2>/dev/null || echo ro; touch /mnt/sub/x 2>/dev/null || echo ro", "ro\nro"},
		{"rnoexec", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "rnoexec", "rnoatime"}}, options("/mnt") + ";" + options("/mnt/sub"), "rw,noexec,noatime\nrw,noexec,noatime"},
		{"private", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "rprivate"}}, optional("/mnt"), ""},
		{"slave", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "rslave"}}, optional("/mnt"), "master"},
		{"shared", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "rshared"}}, optional("/mnt"), "shared master"},
		{"unbindable", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "unbindable"}}, optional("/mnt"), "unbindable"},
		{"tmpfs", specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m", "mode=1777", "uid=3"}}, "stat -c %a:%u /mnt; df -k /mnt | awk 'NR==2{print $2}'", "1777:3\n1024"},
		{"tmpfs takes the mode of what it covers", specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs"}, "stat -c %a /tmp", "1777"},
		{"tmpcopyup", specs.Mount{Destination: "/etc", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup"}}, "head -1 /etc/passwd; stat -c %a:%u /etc/group0; readlink /etc/link; stat -f -c %T /etc; echo x >> /etc/passwd",
			"root:x:0:0:root:/root:/bin/sh\n640:42\n../bin\ntmpfs"},
		{"tmpcopyup read-only", specs.Mount{Destination: "/etc", Type: "tmpfs", Source: "tmpfs", Options: []string{"tmpcopyup", "ro"}}, "head -1 /etc/passwd; touch /etc/x 2>&1; true",
			"root:x:0:0:root:/root:/bin/sh\ntouch: /etc/x: Read-only file system"},
		{"remount", specs.Mount{Destination: "/dev/shm", Options: []string{"remount", "bind", "ro", "nosuid"}}, "touch /dev/shm/x 2>/dev/null || echo ro", "ro"},
		{"a relative destination", specs.Mount{Destination: "mnt", Source: host, Options: []string{"bind"}}, "cat /mnt/file", "text"},
		{"a destination with dots", specs.Mount{Destination: "/tmp/../mnt/./x", Source: host, Options: []string{"bind"}}, "cat /mnt/x/file", "text"},
		{"through an image's link", specs.Mount{Destination: "/lnk/x", Source: host, Options: []string{"bind"}}, "cat /usr/x/file", "text"},
		{"idmap", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"bind", "idmap"},
			UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 100}}, GIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 6000, Size: 100}}},
			"stat -c %u:%g /mnt/file /mnt/of7", "5000:6000\n5007:6008"},
		{"ridmap", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "ridmap"},
			UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 100}}, GIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 6000, Size: 100}}},
			"stat -c %u:%g /mnt/file /mnt/sub/below", "5000:6000\n5000:6000"},
		{"idmap is not recursive", specs.Mount{Destination: "/mnt", Source: host, Options: []string{"rbind", "idmap"},
			UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5000, Size: 100}}, GIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 6000, Size: 100}}},
			"stat -c %u:%g /mnt/file /mnt/sub/below", "5000:6000\n0:0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Sh(c.script))
			b.Link("/usr", "/lnk")
			b.Link("../bin", "/etc/link")
			b.File("/etc/group0", "x", 0o640)
			if err := os.Chown(b.Path("/etc/group0"), 42, 0); err != nil {
				t.Fatal(err)
			}
			hostDirectory(t, b)
			m := c.mount
			if strings.HasPrefix(m.Source, host) {
				m.Source = b.Host + strings.TrimPrefix(m.Source, host)
			}
			addMount(m)(b.Spec)
			b.Run().Prints(t, c.want)
		})
	}
}

// hostDirectory populates the host's directory: a file, a symbolic link, a file with another owner,
// and a mount.
func hostDirectory(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	for name, owner := range map[string][2]int{"file": {0, 0}, "of7": {7, 8}} {
		path := filepath.Join(b.Host, name)
		if err := os.WriteFile(path, []byte("text\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner[0], owner[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("file", filepath.Join(b.Host, "link")); err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(b.Host, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	// Not a tmpfs: it does not support ID-mapped mounts before Linux 6.3.
	if err := unix.Mount(t.TempDir(), sub, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(sub, "below"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMountThroughLinkWhileRenaming: the kernel refuses to resolve .. in a symbolic link of the image
// while anything on the machine is renamed (EAGAIN from openat2(2)), and minirun retries.
func TestMountThroughLinkWhileRenaming(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("true"))
	b.Spec.Mounts = append(b.Spec.Mounts, specs.Mount{Destination: "/etc/a/x", Type: "tmpfs", Source: "tmpfs"})
	up := strings.Repeat("../etc/", 60)
	b.Link(up+"../mnt", "/etc/a")
	stop, renamed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(renamed)
		names := [2]string{filepath.Join(b.Host, "a"), filepath.Join(b.Host, "b")}
		_ = os.WriteFile(names[0], nil, 0o600)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = os.Rename(names[i%2], names[(i+1)%2])
			}
		}
	}()
	defer func() {
		close(stop)
		<-renamed
	}()
	for range 10 {
		b.Run().Exit(t, 0)
	}
}

func TestMountErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		mount specs.Mount
		words []string
	}{
		{"a missing source", specs.Mount{Destination: "/mnt", Source: "/no/such", Options: []string{"bind"}}, []string{"mounts[7].source", "no such file"}},
		{"an unknown file system", specs.Mount{Destination: "/mnt", Type: "nofs", Source: "x"}, []string{"mounts[7]", "nofs", "no such device"}},
		{"a bad option", specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "x", Options: []string{"nonsense=1"}}, []string{"mounts[7]", "nonsense", "invalid argument"}},
		{"a file on the way", specs.Mount{Destination: "/etc/passwd/x", Source: "/tmp", Options: []string{"bind"}}, []string{"mounts[7]", "/etc/passwd", "not a directory"}},
		{"a directory on a file", specs.Mount{Destination: "/etc/passwd", Source: "/tmp", Options: []string{"bind"}}, []string{"mounts[7]", "/etc/passwd", "not a directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			testbundle.New(t, addMount(c.mount)).Run().Fails(t, append(c.words, "config.json")...)
		})
	}
}

func TestMasks(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("wc -c < /etc/secret; ls -A /usr; echo x > /etc/secret; touch /usr/x 2>&1; touch /opt/y 2>&1; cat /opt/f"), testbundle.Writable, func(s *specs.Spec) {
		s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/etc/secret", "/usr", "/not/there", "/etc/passwd/not/there")
		s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/opt", "/not/there")
	})
	b.File("/etc/secret", "secret", 0o644)
	b.File("/usr/f", "secret", 0o644)
	b.File("/opt/f", "seen", 0o644)
	b.Run().Prints(t, "0\ntouch: /usr/x: Read-only file system\ntouch: /opt/y: Read-only file system\nseen")
	if text, _ := os.ReadFile(b.Path("/etc/secret")); string(text) != "secret" {
		t.Errorf("the file below the mask holds %q", text)
	}
}

func TestCgroupMount(t *testing.T) {
	dir := "/sys/fs/cgroup/pids"
	script := func(dir string) []string {
		return []string{"sh", "-c", "cat " + dir + "/cgroup.procs | head -1; touch /sys/fs/cgroup/x 2>/dev/null || echo ro; mkdir " + dir + "/x 2>/dev/null || echo ro"}
	}
	b := testbundle.New(t)
	b.Spec.Process.Args = script(dir)
	if onV2(t) { // the whole tree of the host
		dir = "/sys/fs/cgroup"
		b.Spec.Process.Args = script(dir + "/" + b.ID)
	}
	b.Run().Prints(t, "1\nro\nro")
	with(specs.CgroupNamespace, "")(b.Spec)
	b.Spec.Process.Args = script(dir)
	b.Run().Prints(t, "1\nro\nro")
}

// All masked directories are hidden by the same tmpfs, which is empty and stays empty.
func TestMaskedDirectoriesShareATmpfs(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(`awk '$5 ~ "^/cpu/" {print $3, $6, $NF}' /proc/self/mountinfo | sort | uniq -c; ls /cpu/cpu7/throttle /cpu/cpu299/throttle; touch /cpu/cpu9/throttle/x 2>&1; true`))
	b.Spec.Linux.MaskedPaths = nil
	for i := range 300 {
		dir := fmt.Sprintf("/cpu/cpu%d/throttle", i)
		if err := os.MkdirAll(b.Path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		b.File(dir+"/secret", "x", 0o644)
		b.Spec.Linux.MaskedPaths = append(b.Spec.Linux.MaskedPaths, dir)
	}
	r := b.Run()
	r.Exit(t, 0)
	kinds, rest, _ := strings.Cut(r.Stdout, "\n")
	if f := strings.Fields(kinds); len(f) != 4 || f[0] != "300" || f[2] != "ro,relatime" || !strings.Contains(f[3], "nr_inodes=1") {
		t.Errorf("the masks are %q, want 300 of one file system", r.Stdout)
	}
	if want := "/cpu/cpu299/throttle:\n\n/cpu/cpu7/throttle:\ntouch: /cpu/cpu9/throttle/x: Read-only file system\n"; rest != want {
		t.Errorf("below the masks: %q, want %q", rest, want)
	}
}

// The root cannot be bind-mounted over itself: its mount becomes read-only, but not the mounts below.
func TestReadonlyPathsWithRoot(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("touch /x 2>&1; touch /dev/shm/y && echo shm; "+options("/proc/sys")), testbundle.Writable)
	for _, paths := range [][]string{{"/", "/proc/sys"}, {"/proc/sys", "/proc/.."}} {
		b.Spec.Linux.ReadonlyPaths = paths
		b.Run().Prints(t, "touch: /x: Read-only file system\nshm\nro,relatime")
	}
}
