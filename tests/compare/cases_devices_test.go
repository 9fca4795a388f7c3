// Cases: devices and their permissions in the device cgroup; masked and read-only paths.
package compare

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func device(path, kind string, major, minor int64) specs.LinuxDevice {
	return specs.LinuxDevice{Path: path, Type: kind, Major: major, Minor: minor}
}

var deviceCases = []testCase{
	{
		name: "devices",
		set: func(b *bundle) {
			plainNull := device("/dev/nothing", "c", 1, 3)
			owned := device("/dev/sub/dir/owned", "c", 1, 5)
			owned.FileMode, owned.UID, owned.GID = pointer(os.FileMode(0o644)), pointer(uint32(1000)), pointer(uint32(2000))
			block := device("/dev/block", "b", 7, 200)
			block.FileMode = pointer(os.FileMode(0o604))
			fifo := specs.LinuxDevice{Path: "/dev/pipe", Type: "p", FileMode: pointer(os.FileMode(0o622))}
			b.spec.Linux.Devices = []specs.LinuxDevice{plainNull, owned, block, fifo, device("/dev/unbuffered", "u", 1, 7)}
			b.spec.Linux.Resources.Devices = append(b.spec.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "b", Major: pointer(int64(7)), Access: "rm"})
		},
		ask:  ask{Stat: []string{"/dev/pipe", "/dev/sub", "/dev/sub/dir"}},
		want: map[string]string{"in.dev./dev/sub/dir/owned": "char 0644 1000:2000 dev 1:5 open ok", "in.dev./dev/pipe": "fifo *"},
	},
	{
		name: "mount-on-device", // a mount in place of a device is kept
		set: func(b *bundle) {
			b.mount("/dev/random", "bind", "/dev/urandom", "bind")
			b.mount("/dev/given", "bind", "/dev/zero", "bind")
			b.spec.Linux.Devices = []specs.LinuxDevice{device("/dev/given", "c", 1, 7)}
		},
		ask:  ask{Stat: []string{"/dev/random", "/dev/given"}},
		want: map[string]string{"in.dev./dev/random": "char * dev 1:9 open ok", "in.dev./dev/given": "char * dev 1:5 open ok"},
	},
	{
		name: "device-outside-dev",
		set: func(b *bundle) {
			b.spec.Root.Readonly = false
			b.spec.Linux.Devices = []specs.LinuxDevice{device("/var/odd/null", "c", 1, 3)}
		},
		ask: ask{Stat: []string{"/var/odd/null", "/var/odd"}},
	},
	{
		name: "device-over-default", // a default device with a different mode
		set: func(b *bundle) {
			d := device("/dev/zero", "c", 1, 5)
			d.FileMode = pointer(os.FileMode(0o600))
			b.spec.Linux.Devices = []specs.LinuxDevice{d}
		},
	},
	{
		// An allowed device that is not created, and a created device that is not allowed.
		name: "device-permitted-without-node",
		set: func(b *bundle) {
			b.spec.Linux.Devices = []specs.LinuxDevice{device("/dev/denied", "c", 10, 237)}
			b.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{
				{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: pointer(int64(10)), Minor: pointer(int64(229)), Access: "rw"},
			}
		},
		want: map[string]string{"in.dev./dev/denied": "*open EPERM"},
	},
	{
		name: "devices-all-allowed",
		set: func(b *bundle) {
			b.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
		},
		want: map[string]string{"out.cgroup.devices.devices.list": "a *:* rwm*"},
	},
	{
		name: "devices-rules-in-order", // later rules take precedence
		set: func(b *bundle) {
			b.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{
				{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: pointer(int64(10)), Access: "rwm"}, {Allow: false, Type: "c", Major: pointer(int64(10)), Access: "w"},
				{Allow: true, Type: "c", Major: pointer(int64(4)), Minor: pointer(int64(64)), Access: "r"}, {Allow: false, Type: "c", Major: pointer(int64(4)), Minor: pointer(int64(64)), Access: "r"},
			}
		},
	},
	{
		// Allow a major and deny one of its minors: version 1 cannot express that, so it must not start.
		name: "devices-hole", plain: true,
		set: func(b *bundle) {
			b.spec.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{
				{Allow: false, Access: "rwm"}, {Allow: true, Type: "c", Major: pointer(int64(10)), Access: "rwm"}, {Allow: false, Type: "c", Major: pointer(int64(10)), Minor: pointer(int64(229)), Access: "w"},
			}
			b.spec.Process.Args = []string{"true"}
		},
		want: map[string]string{"stderr.empty": onV1("false"), "left.cgroups": "", "left.state": ""},
	},
	{name: "no-device-rules", set: func(b *bundle) { b.spec.Linux.Resources = nil }},
	{
		name: "device-dev-missing-in-root",
		set: func(b *bundle) {
			b.check(os.RemoveAll(b.root + "/dev"))
			b.check(os.RemoveAll(b.root + "/proc"))
			b.check(os.RemoveAll(b.root + "/sys"))
		},
	},
}

var pathCases = []testCase{
	{
		name: "masked-paths",
		set: func(b *bundle) {
			b.file("secret/file", "secret\n", 0o644)
			b.file("secret-dir/file", "secret\n", 0o644)
			b.symlink("secret-link", "/secret/file")
			b.spec.Linux.MaskedPaths = []string{"/secret/file", "/secret-dir", "/there/is/none", "/secret-link", "/proc/kcore"}
		},
		ask:  ask{Masked: []string{"/secret/file", "/secret-dir", "/there/is/none", "/proc/kcore"}, Stat: []string{"/secret-dir/file", "/secret-link"}},
		want: map[string]string{"in.masked./secret/file": "*empty true ok", "in.masked./secret-dir": "*entries 0 ok", "in.path./secret-dir/file": "ENOENT"},
	},
	{name: "no-masked-paths", set: func(b *bundle) { b.spec.Linux.MaskedPaths = nil }, ask: ask{Masked: []string{"/sys/firmware"}}},
	{
		name: "masked-path-twice", set: func(b *bundle) {
			b.spec.Linux.MaskedPaths = []string{"/sys/firmware", "/sys/firmware", "/proc/keys", "/proc/keys"}
		},
	},
	{
		name: "read-only-paths",
		set: func(b *bundle) {
			b.spec.Root.Readonly = false
			b.file("fixed/file", "x\n", 0o644)
			b.file("fixed-file", "x\n", 0o644)
			b.mount("/mnt", "tmpfs", "tmpfs", "nosuid", "nodev", "noexec", "size=64k")
			b.spec.Linux.ReadonlyPaths = []string{"/fixed", "/fixed-file", "/there/is/none", "/mnt", "/proc/sys"}
		},
		ask:  ask{ReadOnly: []string{"/fixed", "/fixed/file", "/fixed-file", "/mnt", "/", "/tmp", "/proc/sys/kernel/hostname"}},
		want: map[string]string{"in.readonly./fixed": "EROFS", "in.readonly./fixed-file": "EROFS", "in.readonly./": "ok"},
	},
	{name: "no-read-only-paths", set: func(b *bundle) { b.spec.Linux.ReadonlyPaths = nil }, ask: ask{ReadOnly: []string{"/proc/sys/kernel/hostname", "/proc/sysrq-trigger"}}},
	{
		name: "read-only-path-with-mount-below", // files on a mount below do not change unless bound recursively
		set: func(b *bundle) {
			b.mkdir("outer/inner", 0o755)
			b.mount("/outer/inner", "tmpfs", "tmpfs", "size=64k")
			b.spec.Linux.ReadonlyPaths = []string{"/outer"}
			b.spec.Root.Readonly = false
		},
		ask: ask{ReadOnly: []string{"/outer", "/outer/inner"}},
	},
}
