package hostile

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/testbundle"
)

// An inode records what a container must not change about a file of the host.
type inode struct {
	path       string // one of its names
	mode       uint32
	uid, gid   uint32
	attributes string
	old        bool // its time is the one that the probe sets
}

// hostInodes returns the inodes that are visible in containers, by device and inode number: devices,
// the files of /etc, and the kernel's file systems.
func hostInodes(t *testing.T, more ...string) map[string]inode {
	t.Helper()
	all := map[string]inode{}
	add := func(path string) {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil {
			return
		}
		i := inode{path: path, mode: st.Mode, uid: st.Uid, gid: st.Gid, old: st.Mtim.Sec == 12345}
		names := make([]byte, 4096)
		if n, err := unix.Llistxattr(path, names); err == nil {
			i.attributes = string(names[:n])
		}
		all[fmt.Sprintf("%d:%d", st.Dev, st.Ino)] = i
	}
	_ = filepath.WalkDir("/dev", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "/dev/pts" && d.IsDir() {
			return fs.SkipDir
		}
		add(path)
		return nil
	})
	list := append(more, "/", "/etc", "/proc", "/sys", "/sys/fs", "/sys/kernel", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/sys", "/proc/bus", "/proc/irq")
	for _, pattern := range []string{"/etc/*", "/sys/fs/cgroup", "/sys/fs/cgroup/*", "/sys/fs/cgroup/*/*"} {
		found, _ := filepath.Glob(pattern)
		list = append(list, found...)
	}
	for _, path := range list {
		add(path)
	}
	return all
}

// changedInodes returns the names of those that have changed.
func changedInodes(before, after map[string]inode) (out []string) {
	for _, key := range slices.Sorted(maps.Keys(before)) {
		now, ok := after[key]
		was := before[key]
		if now.path = was.path; ok && now != was {
			out = append(out, fmt.Sprintf("%s: mode %o, owner %d:%d, attributes %q, time set: %t; it was %o, %d:%d, %q",
				was.path, now.mode, now.uid, now.gid, now.attributes, now.old, was.mode, was.uid, was.gid, was.attributes))
		}
	}
	return out
}

// succeeded returns the attempts of the probe to change inodes of the host that the kernel did not
// reject.
func succeeded(host map[string]inode, report string) (out []string) {
	for line := range strings.Lines(report) {
		if f := strings.Fields(line); len(f) > 2 && host[f[0]].path != "" && strings.Contains(line, "=OK") {
			out = append(out, "the host's "+host[f[0]].path+": "+strings.TrimSpace(line))
		}
	}
	return out
}

// dockersDefault gives the container the capabilities of a Docker container without options.
var dockersDefault = testbundle.Can("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE")

// identity maps the container's IDs to the same IDs on the host: its root owns the host's devices.
func identity(s *specs.Spec) {
	testbundle.UserNS(s)
	s.Linux.UIDMappings[0].HostID, s.Linux.GIDMappings[0].HostID = 0, 0
}

// namesOfDevices lists the files that the probe tries to change in addition to the mount roots.
var namesOfDevices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/console", "/dev/ptmx", "/dev/pts/ptmx"}

// TestHostInodes: a mount shows an inode of the host, and the container's root, which may
// chmod, chown and so on with the default capabilities, changes it: a mask made from /dev/null leaves
// the machine with a /dev/null of mode 0.
func TestHostInodes(t *testing.T) {
	testbundle.PrivateDev(t)
	probe := append([]string{"probe", "metadata"}, namesOfDevices...)
	for name, change := range map[string]func(*specs.Spec){
		"run":                     func(*specs.Spec) {},
		"user namespace":          testbundle.UserNS,
		"user namespace, same ID": identity,
		"cgroup namespace":        testbundle.With(specs.CgroupNamespace, ""),
		"devices of the host": func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}}
		},
		"masks elsewhere": func(s *specs.Spec) {
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/etc/passwd", "/dev/zero", "/dev/null")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, dockersDefault, testbundle.Writable, testbundle.Args(probe...), change)
			unchanged(t, func() string {
				r := b.Run()
				r.Exit(t, 0)
				return r.Stdout
			})
		})
		t.Run("exec, "+name, func(t *testing.T) {
			b := testbundle.New(t, dockersDefault, testbundle.Writable, testbundle.Sh("echo up; exec sleep 1000"), change)
			_, stop := b.Background(t)
			defer stop()
			unchanged(t, func() string {
				r := b.Minirun(append([]string{"exec", b.ID}, probe...)...)
				r.Exit(t, 0)
				return r.Stdout
			})
		})
	}
	t.Run("terminal", func(t *testing.T) {
		b := testbundle.New(t, dockersDefault, testbundle.Writable, testbundle.Args(probe...))
		b.Spec.Process.Terminal = true
		unchanged(t, func() string {
			r := b.RunTerminal()
			r.Exit(t, 0)
			return r.Stdout
		})
	})
	t.Run("without privilege", func(t *testing.T) {
		unshare, err := exec.LookPath("unshare")
		if err != nil {
			t.Skip("needs unshare of util-linux: ", err)
		}
		// The user is root in a user namespace, and owns the devices.
		b := testbundle.New(t)
		s := spec.DefaultRootless(0, 0, false)
		s.Process.Terminal, s.Process.Args, s.Root.Readonly, s.Linux.CgroupsPath = false, probe, false, b.Spec.Linux.CgroupsPath
		dockersDefault(s)
		b.Spec = s
		unchanged(t, func() string {
			b.Write()
			cmd := b.Command("run", b.ID, b.Dir)
			cmd.Path, cmd.Args = unshare, append([]string{"unshare", "--user", "--map-root-user", "--mount", "--propagation", "slave"}, cmd.Args...)
			r := testbundle.Finish(t, cmd)
			r.Exit(t, 0)
			return r.Stdout
		})
	})
	t.Run("naive", func(t *testing.T) {
		b := testbundle.New(t, dockersDefault, testbundle.Writable, testbundle.Args(probe...),
			testbundle.AddMount(specs.Mount{Destination: "/mnt", Source: "/dev/null", Options: []string{"bind"}}))
		if err := os.Remove(b.Path("/mnt")); err != nil {
			t.Fatal(err)
		}
		before := hostInodes(t)
		r := b.Run()
		r.Exit(t, 0)
		if changed := changedInodes(before, hostInodes(t)); len(changed) != 1 || !strings.HasPrefix(changed[0], "/dev/null: ") || len(succeeded(before, r.Stdout)) != 1 {
			t.Errorf("a bind of /dev/null that can be written to is not seen: %q, %s", changed, r.Stdout)
		}
		restore(t, "/dev/null")
	})
}

// unchanged runs the probe in a container and compares the host's inodes.
func unchanged(t *testing.T, run func() (report string), more ...string) {
	t.Helper()
	before := hostInodes(t, more...)
	report := run()
	changed := changedInodes(before, hostInodes(t, more...))
	for _, what := range append(changed, succeeded(before, report)...) {
		t.Error(what)
	}
	if !strings.Contains(report, " / ") || !strings.Contains(report, " /proc/self/fd/0 ") {
		t.Errorf("the probe did not look at the mounts: %s", report)
	}
	if len(changed) > 0 {
		restore(t, "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
	}
}

// restore restores the attributes of devices for later tests.
func restore(t *testing.T, devices ...string) {
	t.Helper()
	for _, d := range devices {
		now := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, d, now, 0); err != nil {
			t.Fatal(err)
		}
		_ = unix.Removexattr(d, "trusted.minirun")
		_ = unix.Removexattr(d, "security.minirun")
		if err := os.Chown(d, 0, 0); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// withStore gives a bundle's minirun a separate store with the image box, which is created from the
// bundle's root file system.
func withStore(t *testing.T, b *testbundle.Bundle) {
	t.Helper()
	b.Global = append(b.Global, "--store", filepath.Join(filepath.Dir(b.Dir), "store"))
	archive := filepath.Join(filepath.Dir(b.Dir), "box.tar")
	if out, err := exec.Command("tar", "-C", b.Path("/"), "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	b.Minirun("import", archive, "box").Exit(t, 0)
}

// TestHostInodesOfImages: the same as TestHostInodes, for containers created from images and the
// steps of a build.
func TestHostInodesOfImages(t *testing.T) {
	testbundle.PrivateDev(t)
	b := testbundle.New(t)
	withStore(t, b)
	probe := append([]string{"probe", "metadata", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}, namesOfDevices...)
	t.Run("run", func(t *testing.T) {
		unchanged(t, func() string {
			r := b.Minirun(append([]string{"run", "--rm", "box"}, probe...)...)
			r.Exit(t, 0)
			return r.Stdout
		})
	})
	t.Run("network of the host", func(t *testing.T) {
		unchanged(t, func() string {
			r := b.Minirun(append([]string{"run", "--rm", "--network", "host", "box"}, probe...)...)
			r.Exit(t, 0)
			return r.Stdout
		})
	})
	t.Run("exec", func(t *testing.T) {
		name := testbundle.Prefix + "box"
		b.Minirun("run", "--detach", "--name", name, "box", "sleep", "1000").Exit(t, 0)
		defer func() { b.Minirun("rm", "-f", name).Exit(t, 0) }()
		unchanged(t, func() string {
			r := b.Minirun(append([]string{"exec", name}, probe...)...)
			r.Exit(t, 0)
			return r.Stdout
		})
	})
	t.Run("build", func(t *testing.T) {
		dir := t.TempDir()
		secret := filepath.Join(dir, "secret")
		dockerfile := `FROM box
RUN --mount=type=secret,id=s --mount=type=bind,target=/context --mount=type=bind,from=box,source=/etc/passwd,target=/one \
    probe metadata /run/secrets/s /context/secret ` + strings.Join(probe[2:], " ") + ` > /report
FROM scratch
COPY --from=0 /report /
`
		for name, text := range map[string]string{secret: "x", filepath.Join(dir, "Dockerfile"): dockerfile} {
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "out")
		unchanged(t, func() string {
			b.Minirun("build", "--secret", "id=s,src="+secret, "-o", "type=local,dest="+out, dir).Exit(t, 0)
			report, err := os.ReadFile(filepath.Join(out, "report"))
			if err != nil {
				t.Fatal(err)
			}
			return string(report)
		}, dir, secret)
	})
}
