package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

func device(d specs.LinuxDevice) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Linux.Devices = append(s.Linux.Devices, d)
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"})
	}
}

const statDevices = "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done"

const defaultDevices = `/dev/null character special file 1:3 666
/dev/zero character special file 1:5 666
/dev/full character special file 1:7 666
/dev/random character special file 1:8 666
/dev/urandom character special file 1:9 666
/dev/tty character special file 5:0 666`

func TestDefaultDevices(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(statDevices+"; for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo x > /dev/null; head -c 3 /dev/zero | wc -c"))
	b.Run().Prints(t, defaultDevices+"\n/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n3")
}

func TestDevices(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("for d in fuse loop p deep/er/x; do stat -c '%n %F %t:%T %a %u:%g' /dev/$d; done; stat -c '%n %t:%T %a' /dev/null"),
		device(specs.LinuxDevice{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: ptr(os.FileMode(0o660)), UID: ptr(uint32(3)), GID: ptr(uint32(4))}),
		device(specs.LinuxDevice{Path: "/dev/loop", Type: "b", Major: 7, Minor: 300}),
		device(specs.LinuxDevice{Path: "/dev/p", Type: "p", FileMode: ptr(os.FileMode(0o600))}),
		device(specs.LinuxDevice{Path: "/dev/deep/er/x", Type: "u", Major: 1, Minor: 3}),
		device(specs.LinuxDevice{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: ptr(os.FileMode(0o600))}))
	b.Run().Prints(t, `/dev/fuse character special file a:e5 660 3:4
/dev/loop block special file 7:12c 666 0:0
/dev/p fifo 0:0 600 0:0
/dev/deep/er/x character special file 1:3 666 0:0
/dev/null 1:3 600`)
}

// Without a mount on /dev the devices are created in the image's own directory, and existing files
// with their names are replaced.
func TestDeviceNamesTakenByTheImage(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh(statDevices), func(s *specs.Spec) {
		var kept []specs.Mount
		for _, m := range s.Mounts {
			if !strings.HasPrefix(m.Destination, "/dev") {
				kept = append(kept, m)
			}
		}
		s.Mounts = kept
	})
	b.File("/dev/null", "a regular file", 0o644)
	b.Link("/etc/passwd", "/dev/zero")
	b.Link("/does/not/exist", "/dev/full")
	if err := unix.Mknod(b.Path("/dev/random"), unix.S_IFCHR|0o600, int(unix.Mkdev(8, 0))); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(b.Path("/dev/urandom"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Run().Prints(t, defaultDevices)
	if text, _ := os.ReadFile(b.Path("/etc/passwd")); !strings.HasPrefix(string(text), "root:") {
		t.Errorf("the device was made through the link: /etc/passwd holds %q", text)
	}
	entries, _ := os.ReadDir(b.Path("/dev"))
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".minirun") {
			t.Errorf("left in /dev: %s", e.Name())
		}
	}
}

// A user namespace may not create device nodes: the host's are bind-mounted.
func TestDevicesInUserNamespace(t *testing.T) {
	b := testbundle.New(t, userns, testbundle.Sh("echo x > /dev/null && head -c 3 /dev/zero | wc -c; stat -c '%F %t:%T' /dev/null /dev/tty; grep -c ' /dev/null ' /proc/self/mountinfo"))
	b.Run().Prints(t, "3\ncharacter special file 1:3\ncharacter special file 5:0\n1")
}

// TestRequestedDevicesInUserNamespace: in a user namespace too, devices in config.json have the
// requested number, mode and owner, at paths that do not exist on the host, and can be used.
func TestRequestedDevicesInUserNamespace(t *testing.T) {
	mode, uid, gid, none := os.FileMode(0o640), uint32(5), uint32(6), uint32(70000)
	b := testbundle.New(t, userns, testbundle.Sh("cd /dev; stat -c '%n %F %t:%T %a %u:%g' one net/two three four; echo x >net/two && echo written; chmod 600 three && stat -c %a three; ls -A /dev | grep -c minirun"))
	b.Spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/one", Type: "c", Major: 1, Minor: 5, FileMode: &mode, UID: &uid, GID: &gid},
		{Path: "/dev/net/two", Type: "c", Major: 1, Minor: 3},
		{Path: "/dev/three", Type: "p"},
		{Path: "/dev/four", Type: "c", Major: 1, Minor: 3, UID: &none, GID: &none},
	}
	before := b.Snapshot()
	r := b.Run()
	want := "one character special file 1:5 640 5:6\nnet/two character special file 1:3 666 0:0\nthree fifo 0:0 666 0:0\n" +
		"four character special file 1:3 666 65534:65534\nwritten\n600\n0\n"
	if r.Stdout != want {
		t.Errorf("inside:\n%s\nwant:\n%s\n%s", r.Stdout, want, r.Stderr)
	}
	for _, leak := range b.LeaksSince(before) {
		t.Errorf("left over: %s", leak)
	}
	b.Spec.Linux.Devices = append(b.Spec.Linux.Devices, specs.LinuxDevice{Path: "/dev/five", Type: "c", Major: 1 << 20, Minor: 3})
	b.Run()
	for _, leak := range b.LeaksSince(before) {
		t.Errorf("left over: %s", leak)
	}
}

// If the whole of the host's /dev is bind-mounted, it is not changed.
func TestBindMountedDevIsNotChanged(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("ls -d /dev/mem /dev/null >/dev/null && echo host"), func(s *specs.Spec) {
		s.Mounts = []specs.Mount{{Destination: "/proc", Type: "proc"}, {Destination: "/dev", Source: "/dev", Options: []string{"rbind", "rprivate"}}}
	})
	if _, err := os.Lstat("/dev/mem"); err != nil {
		b.Spec.Process.Args = []string{"sh", "-c", "ls -d /dev/null >/dev/null && echo host"}
	}
	before, _ := os.ReadDir("/dev")
	b.Run().Prints(t, "host")
	if after, _ := os.ReadDir("/dev"); len(after) != len(before) {
		t.Errorf("the host's /dev had %d entries and has %d", len(before), len(after))
	}
}

func TestReadonlyDev(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("touch /dev/x 2>&1; echo x > /dev/null && echo works"))
	for i := range b.Spec.Mounts {
		if m := &b.Spec.Mounts[i]; m.Destination == "/dev" {
			m.Options = append(m.Options, "ro")
		}
	}
	b.Run().Prints(t, "touch: /dev/x: Read-only file system\nworks")
}

// The device cgroup denies the container access to devices that it was not given.
func TestDeviceCgroup(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("probe mknod /dev/sda 8 0; probe mknod /dev/mem 1 1; probe open /dev/kmsg; echo x > /dev/null && echo works"), testbundle.Writable,
		caps(func(c *specs.LinuxCapabilities) {
			k := []string{"CAP_MKNOD", "CAP_SYS_RAWIO", "CAP_DAC_OVERRIDE", "CAP_SYSLOG"}
			c.Bounding, c.Permitted, c.Effective = k, k, k
		}))
	b.Spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/kmsg", Type: "c", Major: 1, Minor: 11}}
	r := b.Run()
	r.Exit(t, 0)
	// The rule "deny all" of the default config forbids mknod and open; the default devices are
	// always allowed, and so is mknod of other devices (as in runc: "c *:* m").
	lines := strings.Fields(r.Stdout)
	if len(lines) != 4 || lines[2] != "EPERM" || lines[3] != "works" {
		t.Errorf("inside: %v", lines)
	}
}

// TestMountsOnDevices: a mount in config.json at the path of a device is not replaced, and keeps its
// owner: -v /dev/urandom:/dev/random.
func TestMountsOnDevices(t *testing.T) {
	uid := uint32(7)
	b := testbundle.New(t, testbundle.Sh("stat -c %t,%T /dev/random /dev/x; ls -A /dev | grep minirun || true"), func(s *specs.Spec) {
		s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: "/dev/x", Type: "c", Major: 1, Minor: 3, UID: &uid})
	})
	node := filepath.Join(b.Host, "node")
	if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 9))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dev/random", "/dev/x"} {
		addMount(specs.Mount{Destination: path, Source: node, Options: []string{"bind"}})(b.Spec)
	}
	b.Run().Prints(t, "1,9\n1,9")
	var st unix.Stat_t
	if err := unix.Stat(node, &st); err != nil || st.Uid != 0 {
		t.Errorf("the owner of the host's node became %d, %v", st.Uid, err)
	}
}

// TestDevicesOnFiles: a device at the path of a file in a volume or in the image hides the file,
// which does not change.
func TestDevicesOnFiles(t *testing.T) {
	for name, create := range map[string]func(path string) error{
		"file":   func(p string) error { return os.WriteFile(p, []byte("text"), 0o640) },
		"link":   func(p string) error { return os.Symlink("elsewhere", p) },
		"device": func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) },
	} {
		t.Run(name, func(t *testing.T) {
			gid := uint32(5)
			b := testbundle.New(t, testbundle.Sh("stat -c %t,%T,%a,%g /vol/x /opt/x; ls -A /dev | grep minirun || true"), testbundle.Writable, func(s *specs.Spec) {
				for _, path := range []string{"/vol/x", "/opt/x"} {
					s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: path, Type: "c", Major: 1, Minor: 3, GID: &gid})
				}
			})
			addMount(specs.Mount{Destination: "/vol", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
			files := []string{filepath.Join(b.Host, "x"), b.Path("/opt/x")}
			if err := os.MkdirAll(b.Path("/opt"), 0o755); err != nil {
				t.Fatal(err)
			}
			var before [2]unix.Stat_t
			for i, file := range files {
				if err := errors.Join(create(file), unix.Lstat(file, &before[i])); err != nil {
					t.Fatal(err)
				}
			}
			b.Run().Prints(t, "1,3,666,5\n1,3,666,5")
			for i, file := range files {
				var after unix.Stat_t
				if err := unix.Lstat(file, &after); err != nil || after.Ino != before[i].Ino || after.Mode != before[i].Mode || after.Gid != before[i].Gid {
					t.Errorf("%s was replaced or changed: %v", file, err)
				}
			}
		})
	}
	b := testbundle.New(t, testbundle.Writable, func(s *specs.Spec) {
		s.Linux.Devices = []specs.LinuxDevice{{Path: "/vol/x", Type: "c", Major: 1, Minor: 3}}
	})
	addMount(specs.Mount{Destination: "/vol", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
	if err := os.Mkdir(filepath.Join(b.Host, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.Run().Fails(t, "linux.devices[0]", "/vol/x", "file exists")
	if entries, _ := os.ReadDir(b.Host); len(entries) != 1 {
		t.Errorf("left in the volume: %v", entries)
	}
}
