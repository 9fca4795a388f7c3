package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// danglingTargets adds dangling symbolic links to a bundle, and mounts on them. The test can see
// where they lead without running the container's program.
func danglingTargets(t *testing.T, change ...func(*specs.Spec)) *testbundle.Bundle {
	t.Helper()
	b := testbundle.New(t, change...)
	b.Link("../run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf")
	b.Link("../../../../../climbed/out", "/opt/link")
	b.Link("/var/data", "/data")
	if err := os.WriteFile(filepath.Join(b.Host, "file"), []byte("text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, m := range []specs.Mount{
		{Destination: "/etc/resolv.conf", Source: filepath.Join(b.Host, "file"), Options: []string{"bind", "ro"}},
		{Destination: "/opt/link/deep", Source: b.Host, Options: []string{"rbind"}},
		{Destination: "/data", Type: "tmpfs", Source: "tmpfs"},
	} {
		testbundle.AddMount(m)(b.Spec)
	}
	testbundle.Sh("cat /run/systemd/resolve/stub-resolv.conf /climbed/out/deep/file; stat -c %a /var/data")(b.Spec)
	return b
}

// chownTree gives the directories of a root file system to the root of a user namespace. Its programs
// are shared with other tests, so they are not changed.
func chownTree(t *testing.T, dir string, uid, gid int) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return os.Lchown(path, uid, gid)
	}); err != nil {
		t.Fatal(err)
	}
}

// TestDanglingTargetIsCreatedBelowRoot: a mount target that is a dangling symbolic link is created
// where the link leads, below the root, in every kind of container. It is owned by the container's
// root.
func TestDanglingTargetIsCreatedBelowRoot(t *testing.T) {
	const want = "text\ntext\n1777"
	made := map[string]os.FileMode{
		"/run/systemd": os.ModeDir | 0o755, "/run/systemd/resolve/stub-resolv.conf": 0o644,
		"/climbed/out/deep": os.ModeDir | 0o755, "/var/data": os.ModeDir | 0o755,
	}
	for name, c := range map[string]struct {
		change func(*specs.Spec)
		owner  uint32
		flags  []string
	}{
		"default":            {func(*specs.Spec) {}, 0, nil},
		"user namespace":     {testbundle.UserNS, 100000, nil},
		"no pivot_root":      {func(*specs.Spec) {}, 0, []string{"--no-pivot"}},
		"watched":            {func(*specs.Spec) {}, 0, []string{"--explain"}},
		"no mount namespace": {onHost, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := danglingTargets(t, c.change)
			chownTree(t, b.Path("/"), int(c.owner), int(c.owner)*2)
			b.Run(c.flags...).Prints(t, want)
			for path, mode := range made {
				info, err := os.Lstat(b.Path(path))
				if err != nil || info.Mode() != mode || info.Sys().(*syscall.Stat_t).Uid != c.owner {
					t.Errorf("%s: %v, %v", path, info, err)
				}
			}
		})
	}
	t.Run("without privilege", func(t *testing.T) {
		u := asUser(t, false, "cat /made/for/it; stat -c %a /made/dir")
		u.Link("../../made/for", "/mnt/link")
		u.Link("/made/dir", "/mnt/tmp")
		source := filepath.Join(u.Host, "file")
		if err := os.WriteFile(source, []byte("text\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(specs.Mount{Destination: "/mnt/link/it", Source: source, Options: []string{"bind"}})(u.Spec)
		testbundle.AddMount(specs.Mount{Destination: "/mnt/tmp", Type: "tmpfs", Source: "tmpfs"})(u.Spec)
		u.minirun(t, "run", "-b", u.Dir, u.ID).Prints(t, "text\n1777")
	})
	t.Run("layers", func(t *testing.T) {
		b := danglingTargets(t)
		b.Run("--ephemeral").Prints(t, want)
		if _, err := os.Lstat(b.Path("/climbed")); err == nil {
			t.Error("the layer was written to")
		}
	})
}

// TestLinksOfTargetsAreFollowedInMounts: a symbolic link in a volume, and one that leads through
// another link to a path that exists.
func TestLinksOfTargetsAreFollowedInMounts(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("cat /made/here /real/sub/file; stat -c %a /real; ls -d /real/sys/kernel"))
	if err := os.Symlink("../../made/here", filepath.Join(b.Host, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(b.Path("/real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.Path("/real"), 0o750); err != nil {
		t.Fatal(err)
	}
	b.Link("other", "/one")
	b.Link("/real", "/other")
	source := filepath.Join(b.Host, "file")
	if err := os.WriteFile(source, []byte("text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, m := range []specs.Mount{
		{Destination: "/volume", Source: b.Host, Options: []string{"bind"}},
		{Destination: "/volume/link", Source: source, Options: []string{"bind"}},
		{Destination: "/one", Type: "tmpfs", Source: "tmpfs"}, // gets the mode of /real
		{Destination: "/one/sub/file", Source: source, Options: []string{"bind"}},
		{Destination: "/one/sys", Type: "sysfs", Source: "sysfs", Options: []string{"ro"}},
	} {
		testbundle.AddMount(m)(b.Spec)
	}
	b.Run().Prints(t, "text\ntext\n750\n/real/sys/kernel")
}

// TestRefusedTargetsAreNamed: the error names the mount and the problem.
func TestRefusedTargetsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		link, destination, kind, want string
	}{
		"to the root":               {"/etc/..", "/link", "tmpfs", "must not lead to the root"},
		"to the root, from nowhere": {"/missing/..", "/link", "tmpfs", "must not lead to the root"},
		"onto /proc":                {"proc", "/link", "tmpfs", "must not lead into /proc"},
		"into /proc":                {"/proc", "/link/sys", "tmpfs", "must not lead into /proc"},
		"through a link of proc":    {"/proc", "/link/self/fd", "tmpfs", "too many levels of symbolic links"},
		"proc on a link":            {"/mnt", "/link", "proc", "too many levels of symbolic links"},
		"sysfs on a link below one": {"/opt", "/link/inner", "sysfs", "must not be a symbolic link"},
		"to itself":                 {"link", "/link/x", "tmpfs", "too many levels of symbolic links"},
		"below a file":              {"/etc/passwd", "/link/x", "tmpfs", "not a directory"},
		"a name that is too long":   {"/" + strings.Repeat("n", 256), "/link", "tmpfs", "file name too long"},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.AddMount(specs.Mount{Destination: c.destination, Type: c.kind, Source: c.kind}))
			b.Link(c.link, "/link")
			b.Link("/mnt", "/opt/inner")
			b.Run().Fails(t, "config.json: mounts[7]", c.want)
		})
	}
}

// TestLinkOptions: copy-symlink, src-nofollow and dest-nofollow, as described in crun(1).
func TestLinkOptions(t *testing.T) {
	for name, c := range map[string]struct {
		destination string
		options     []string
		source      string // relative to the host's directory
		script      string
		want        string
	}{
		"copied":                   {"/new/dir/link", []string{"bind", "copy-symlink"}, "link", "readlink /new/dir/link; grep -c new/dir /proc/self/mountinfo || true", "there\n0"},
		"copied over the same":     {"/same", []string{"bind", "copy-symlink"}, "link", "readlink /same", "there"},
		"copied below a link":      {"/dangling/link", []string{"rbind", "copy-symlink"}, "link", "readlink /srv/missing/link", "there"},
		"copied, but no link":      {"/new/dir", []string{"bind", "copy-symlink"}, ".", "ls /new/dir", "link\nthere"},
		"source":                   {"/new/link", []string{"bind", "src-nofollow"}, "link", "readlink /new/link; awk '$5==\"/new/link\"{print 1}' /proc/self/mountinfo", "there\n1"},
		"source, but no link":      {"/new/dir", []string{"bind", "src-nofollow"}, ".", "ls /new/dir", "link\nthere"},
		"destination":              {"/same", []string{"bind", "dest-nofollow"}, "there", "cat /same; readlink /same; echo $?", "text\n1"},
		"destination is none":      {"/new/file", []string{"bind", "dest-nofollow"}, "there", "cat /new/file", "text"},
		"destination below a link": {"/up/same", []string{"bind", "dest-nofollow"}, "there", "cat /same; readlink /same; echo $?", "text\n1"},
		"both":                     {"/same", []string{"bind", "src-nofollow", "dest-nofollow"}, "link", "readlink /same; awk '$5==\"/same\"{print 1}' /proc/self/mountinfo", "there\n1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Sh(c.script))
			if err := os.WriteFile(filepath.Join(b.Host, "there"), []byte("text\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("there", filepath.Join(b.Host, "link")); err != nil {
				t.Fatal(err)
			}
			b.Link("there", "/same")
			b.Link("/", "/up")
			b.Link("/srv/missing", "/dangling")
			testbundle.AddMount(specs.Mount{Destination: c.destination, Source: filepath.Join(b.Host, c.source), Options: c.options})(b.Spec)
			b.Run().Prints(t, c.want)
		})
	}
	for want, m := range map[string]specs.Mount{
		"must not exist, or be a symbolic link to":     {Destination: "/etc/passwd", Options: []string{"bind", "copy-symlink"}},
		"must not have copy-symlink together with":     {Destination: "/mnt/x", Options: []string{"bind", "copy-symlink", "src-nofollow"}},
		"must not have copy-symlink, src-nofollow or ": {Destination: "/mnt/x", Type: "tmpfs", Options: []string{"dest-nofollow"}},
	} {
		b := testbundle.New(t)
		m.Source = filepath.Join(b.Host, "link")
		if err := os.Symlink("there", m.Source); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(m)(b.Spec)
		b.Run().Fails(t, "mounts[7]", want)
	}
}

// TestMissingSourceIsNamed: with a user namespace too, the error names the source; an earlier mount may
// create the source.
func TestMissingSourceIsNamed(t *testing.T) {
	for _, change := range []func(*specs.Spec){func(*specs.Spec) {}, testbundle.UserNS} {
		b := testbundle.New(t, testbundle.Sh("ls /again"), change, testbundle.AddMount(specs.Mount{Destination: "/mnt/new/dir", Type: "tmpfs", Source: "tmpfs"}))
		chownTree(t, b.Path("/"), 100000, 200000)
		testbundle.AddMount(specs.Mount{Destination: "/again", Source: b.Path("/mnt/new"), Options: []string{"bind"}})(b.Spec)
		b.Run().Prints(t, "dir")
		b.Spec.Mounts[len(b.Spec.Mounts)-1].Source = filepath.Join(b.Host, "missing")
		b.Run().Fails(t, "config.json: mounts[8].source", "missing", "no such file or directory")
	}
}

// TestReadonlyTmpfsIsRemounted: the last entry in mounts takes precedence.
func TestReadonlyTmpfsIsRemounted(t *testing.T) {
	tmpfs := func(options ...string) func(*specs.Spec) {
		return testbundle.AddMount(specs.Mount{Destination: "/mnt", Type: "tmpfs", Source: "tmpfs", Options: options})
	}
	const script = "touch /mnt/x 2>/dev/null && echo writable || echo read-only"
	testbundle.New(t, testbundle.Sh(script), tmpfs("ro"), tmpfs("remount", "rw")).Run().Prints(t, "writable")
	testbundle.New(t, testbundle.Sh(script), tmpfs(), tmpfs("remount", "ro")).Run().Prints(t, "read-only")
	testbundle.New(t, testbundle.Sh(script), tmpfs("rro")).Run().Prints(t, "read-only")
	testbundle.New(t, testbundle.Sh(script), tmpfs("ro"), tmpfs()).Run().Prints(t, "writable") // the topmost mount
}

// TestNothingLeadsIntoProcThroughAVolume: a volume that hides the path where a symbolic link of the
// image put a tmpfs determines where later mounts below the tmpfs go, but never into /proc.
func TestNothingLeadsIntoProcThroughAVolume(t *testing.T) {
	b := testbundle.New(t)
	volume := filepath.Join(b.Host, "volume")
	if err := os.MkdirAll(filepath.Join(volume, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/driver", filepath.Join(volume, "run/secrets")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(b.Path("/var/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(b.Path("/run")); err != nil {
		t.Fatal(err)
	}
	b.Link("/var/run", "/run")
	for _, m := range []specs.Mount{
		{Destination: "/run", Type: "tmpfs", Source: "tmpfs"},
		{Destination: "/var", Source: volume, Options: []string{"rbind"}},
		{Destination: "/run/secrets", Source: b.Host, Options: []string{"rbind"}},
	} {
		testbundle.AddMount(m)(b.Spec)
	}
	testbundle.Sh("echo started")(b.Spec)
	b.Run().Fails(t, "must not lead into /proc")
}

// TestNothingLeadsIntoProcBelowNewFileSystems: a symbolic link in the image puts a volume into /dev
// or /sys, and the volume has a symbolic link into /proc.
func TestNothingLeadsIntoProcBelowNewFileSystems(t *testing.T) {
	for name, c := range map[string]struct{ link, volume, destination string }{
		"on /sys":    {"/sys", "/link", "/sys/p"},
		"below /sys": {"/sys/fs", "/link/cgroup", "/sys/fs/cgroup/p"},
		"on /dev":    {"/dev", "/link", "/dev/p"},
		"below /dev": {"/dev", "/link/x", "/dev/x/p"},
		"in sysfs":   {"/mnt", "/sys/class/net/lo", "/sys/devices/virtual/net/lo/p"}, // a symbolic link of the kernel
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Sh("echo started"))
			b.Link(c.link, "/link")
			if err := os.Symlink("/proc/driver", filepath.Join(b.Host, "p")); err != nil {
				t.Fatal(err)
			}
			for _, m := range []specs.Mount{
				{Destination: c.volume, Source: b.Host, Options: []string{"rbind"}},
				{Destination: c.destination, Type: "tmpfs", Source: "tmpfs"},
			} {
				testbundle.AddMount(m)(b.Spec)
			}
			b.Run().Fails(t, "must not lead into /proc")
		})
	}
}

// TestUnreadableLinks: the parent of an unprivileged container may not read symbolic links that the
// container's root may follow, so it examines what they resolved to.
func TestUnreadableLinks(t *testing.T) {
	for target, destination := range map[string]string{"/mnt": "/private/link", "/proc/driver": "/private/link", "/proc": "/private/link/driver"} {
		u := asUser(t, false, "stat -f -c %T /mnt")
		u.Link(target, "/private/link")
		if err := errors.Join(os.Chown(u.Path("/private"), int(u.uid), int(u.uid)), os.Chmod(u.Path("/private"), 0)); err != nil {
			t.Fatal(err)
		}
		testbundle.AddMount(specs.Mount{Destination: destination, Type: "tmpfs", Source: "tmpfs"})(u.Spec)
		r := u.minirun(t, "run", "-b", u.Dir, u.ID)
		if target == "/mnt" {
			r.Prints(t, "tmpfs")
		} else {
			r.Fails(t, "config.json: mounts[", "must not lead into /proc")
		}
	}
}

// TestCopiedLinkOnDev: devices are created in /dev, so it cannot be a copy of a symbolic link.
func TestCopiedLinkOnDev(t *testing.T) {
	b := testbundle.New(t)
	link := filepath.Join(b.Host, "link")
	if err := os.Symlink("/elsewhere", link); err != nil {
		t.Fatal(err)
	}
	b.Spec.Mounts = slices.DeleteFunc(b.Spec.Mounts, func(m specs.Mount) bool { return strings.HasPrefix(m.Destination, "/dev") })
	if err := os.RemoveAll(b.Path("/dev")); err != nil {
		t.Fatal(err)
	}
	testbundle.AddMount(specs.Mount{Destination: "/dev", Source: link, Options: []string{"bind", "copy-symlink"}})(b.Spec)
	b.Run().Fails(t, "must not be /dev")
	if _, err := os.Lstat(b.Path("/dev")); err == nil {
		t.Error("the link was made")
	}
}
