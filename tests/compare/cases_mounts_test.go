// Cases: every class of mount and mount option.
package compare

import (
	"fmt"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// bound bind-mounts a directory that contains a file on /mnt with options.
func bound(options ...string) func(*bundle) {
	return func(b *bundle) { b.mount("/mnt", "bind", treeToBind(b), options...) }
}

// treeToBind creates a directory next to the root, with a file system mounted below it.
func treeToBind(b *bundle) string {
	dir := b.addSource("source", nil)
	content := "content\n"
	b.addSource("source/file", &content)
	b.hostMount("tmpfs", filepath.Join(dir, "sub"), "tmpfs", 0, "size=64k")
	return dir
}

var askMnt = ask{Stat: []string{"/mnt/file", "/mnt/sub"}, ReadOnly: []string{"/mnt", "/mnt/file", "/mnt/sub"}}

func bindCase(options ...string) testCase {
	name := "bind"
	for _, o := range options {
		name += "-" + o
	}
	return testCase{name: name, set: bound(options...), ask: askMnt}
}

var mountCases = []testCase{
	bindCase("bind"), bindCase("rbind"), bindCase("bind", "ro"), bindCase("rbind", "ro"), bindCase("rbind", "ro", "rprivate"), bindCase("bind", "nosuid", "nodev", "noexec"),
	bindCase("rbind", "rshared"), bindCase("rbind", "rslave"), bindCase("bind", "private"), bindCase("bind", "unbindable"), bindCase("bind", "slave"), bindCase("bind", "shared"),
	bindCase("bind", "noatime"), bindCase("bind", "nodiratime", "strictatime"), bindCase("bind", "ro", "relatime"), bindCase("rbind", "rw", "suid", "exec", "dev"), bindCase("bind", "sync", "ro"),
	{
		name: "bind-recursive-read-only", set: bound("rbind", "rro"), ask: askMnt, want: map[string]string{"in.readonly./mnt": "EROFS", "in.readonly./mnt/sub": "EROFS", "in.mount./mnt/sub.options": "ro,*"},
	},
	{
		name: "bind-recursive-flags", set: bound("rbind", "rnosuid", "rnodev", "rnoexec"), ask: askMnt, want: map[string]string{"in.mount./mnt/sub.options": "rw,nosuid,nodev,noexec,*", "in.mount./mnt.options": "rw,nosuid,nodev,noexec,*"},
	},
	{
		name: "bind-type-none", // the option bind is decisive, not the type
		set:  func(b *bundle) { b.mount("/mnt", "none", treeToBind(b), "bind") }, ask: askMnt,
	},
	{
		name: "bind-relative-source", // relative to the bundle
		set: func(b *bundle) {
			treeToBind(b)
			b.mount("/mnt", "bind", "source", "bind")
		},
		ask: askMnt,
	},
	{
		name: "bind-file-on-file",
		set: func(b *bundle) {
			content := "from the host\n"
			b.mount("/etc/hosts", "bind", b.addSource("hosts", &content), "bind", "ro")
		},
		ask: ask{Read: []string{"/etc/hosts"}, ReadOnly: []string{"/etc/hosts"}}, want: map[string]string{"in.read./etc/hosts": "*from the host*"},
	},
	{
		name: "bind-targets-created", // the runtime creates the target, also in a read-only root
		set: func(b *bundle) {
			content := "x\n"
			b.mount("/made/deep/file", "bind", b.addSource("one-file", &content), "bind")
			b.mount("/made/deep/dir", "bind", b.addSource("one-dir", nil), "bind")
		},
		ask: ask{Stat: []string{"/made", "/made/deep", "/made/deep/file", "/made/deep/dir"}, Read: []string{"/made/deep/file"}},
	},
	{
		name: "bind-nested-targets",
		set: func(b *bundle) {
			b.mount("/mnt", "tmpfs", "tmpfs", "mode=711", "size=1m")
			b.mount("/mnt/inner", "bind", b.addSource("one-dir", nil), "bind", "ro")
			b.mount("/mnt/inner2/x", "tmpfs", "tmpfs", "nosuid")
		},
		ask: ask{Stat: []string{"/mnt", "/mnt/inner", "/mnt/inner2", "/mnt/inner2/x"}, ReadOnly: []string{"/mnt", "/mnt/inner", "/mnt/inner2/x"}},
	},
	{
		name: "same-target-twice",
		set: func(b *bundle) {
			b.mount("/mnt", "tmpfs", "first", "size=1m")
			b.mount("/mnt", "tmpfs", "second", "size=2m")
		},
	},
	{
		name: "target-through-symlink", // resolved within the root file system
		set: func(b *bundle) {
			b.mkdir("real/place", 0o755)
			b.symlink("link", "/real")
			b.mount("/link/place", "tmpfs", "tmpfs", "size=1m")
			b.symlink("updir", "../../../../real")
			b.mount("/updir/second", "tmpfs", "tmpfs", "size=1m")
		},
		ask: ask{Stat: []string{"/real/place", "/real/second", "/link"}}, want: map[string]string{"in.mount./real/place.fstype": "tmpfs", "in.mount./real/second.fstype": "tmpfs"},
	},
	{
		name: "target-symlink-out-of-root", plain: true, // /etc/x → /tmp/… must stay inside
		set: func(b *bundle) {
			b.spec.Process.Args = []string{"true"}
			b.symlink("outside", "/tmp/outside")
			b.mount("/outside", "tmpfs", "tmpfs", "size=1m")
		},
		want: map[string]string{"left.mounts": "", "exit": "0"},
	},
	{
		name: "target-relative", // allowed with a warning
		set:  func(b *bundle) { b.mount("mnt", "tmpfs", "tmpfs", "size=1m") },
	},
	{
		name: "target-dotdot",
		set:  func(b *bundle) { b.mount("/mnt/../../mnt/./x", "tmpfs", "tmpfs", "size=1m") },
	},
	{name: "tmpfs-size-mode-owner", set: func(b *bundle) {
		b.mount("/mnt", "tmpfs", "tmpfs", "nosuid", "noexec", "nodev", "size=1024k", "mode=1750", "uid=1000", "gid=2000", "nr_inodes=100")
	}, ask: ask{Stat: []string{"/mnt"}},
		want: map[string]string{"in.path./mnt": "dir * 1000:2000", "in.mount./mnt.super": "*mode=1750*"}},
	{
		name: "tmpfs-mode-of-directory", // without mode= the mode of the underlying directory is kept
		set: func(b *bundle) {
			b.mkdir("odd", 0o2731)
			b.mount("/odd", "tmpfs", "tmpfs")
		},
		ask: ask{Stat: []string{"/odd"}},
	},
	{name: "tmpfs-ro", set: func(b *bundle) { b.mount("/mnt", "tmpfs", "tmpfs", "ro", "size=64k") }, ask: ask{ReadOnly: []string{"/mnt"}}, want: map[string]string{"in.readonly./mnt": "EROFS"}},
	{
		name: "tmpfs-copy-up",
		set: func(b *bundle) {
			b.file("data/file", "kept\n", 0o640)
			b.file("data/sub/tool", "#!/bin/sh\n", 0o4755)
			b.symlink("data/link", "file")
			b.check(unix.Lchown(filepath.Join(b.root, "data/sub"), 1000, 1000))
			b.mount("/data", "tmpfs", "tmpfs", "tmpcopyup", "size=1m")
		},
		ask:  ask{Stat: []string{"/data", "/data/file", "/data/sub", "/data/sub/tool", "/data/link"}, Read: []string{"/data/file"}, ReadOnly: []string{"/data"}},
		want: map[string]string{"in.read./data/file": "*kept*"},
	},
	{name: "devpts-options", set: func(b *bundle) {
		b.dropMount("/dev/pts")
		b.mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0640", "mode=0600", "uid=1000", "gid=1000", "max=10")
	}, ask: ask{Stat: []string{"/dev/pts/ptmx", "/dev/pts"}}},
	{name: "sysfs-writable", set: func(b *bundle) {
		b.dropMount("/sys")
		b.mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev")
	}},
	{name: "proc-options", set: func(b *bundle) {
		b.spec.Mounts[0].Options = []string{"nosuid", "noexec", "nodev", "hidepid=2"}
	}},
	{name: "proc-bind", plain: true, set: func(b *bundle) { // a bind mount on /proc must be rejected
		b.mount("/proc", "bind", b.addSource("source", nil), "bind")
		b.spec.Process.Args = []string{"true"}
	}},
	{name: "proc-file-bind", plain: true, set: func(b *bundle) { // below /proc too, except for a few files
		content := "1\n"
		b.mount("/proc/version", "bind", b.addSource("version", &content), "bind")
		b.spec.Process.Args = []string{"true"}
	}},
	{name: "proc-uptime-bind", set: func(b *bundle) { // /proc/uptime is one of the exceptions (lxcfs)
		content := "1 1\n"
		b.mount("/proc/uptime", "bind", b.addSource("uptime", &content), "bind")
	}, ask: ask{Read: []string{"/proc/uptime"}}},
	{name: "cgroup-writable", set: func(b *bundle) {
		b.dropMount("/sys/fs/cgroup")
		b.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "rw")
	}, ask: ask{ReadOnly: []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"}}},
	{name: "cgroup-writable-own-namespace", set: func(b *bundle) {
		b.namespace(specs.CgroupNamespace, "")
		b.dropMount("/sys/fs/cgroup")
		b.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "rw")
	}, ask: ask{ReadOnly: []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"}}},
	{name: "no-cgroup-mount", set: func(b *bundle) { b.dropMount("/sys/fs/cgroup") }},
	{name: "mqueue-and-shm-elsewhere", set: func(b *bundle) {
		b.mount("/mnt/queues", "mqueue", "mqueue", "nosuid")
		b.mount("/mnt/shm", "tmpfs", "shm", "size=128k", "mode=1777")
	}, ask: ask{Stat: []string{"/mnt/queues", "/mnt/shm"}}},
	{name: "dev-bound-from-host", set: func(b *bundle) {
		b.dropMount("/dev")
		b.mount("/dev", "bind", "/dev", "rbind", "rslave")
		b.spec.Linux.MaskedPaths, b.spec.Linux.ReadonlyPaths = nil, nil
	}},
	{name: "unknown-option", plain: true, set: func(b *bundle) {
		b.mount("/mnt", "tmpfs", "tmpfs", "there-is-no-such-option")
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"stderr.empty": "false"}},
	{name: "bind-missing-source", plain: true, set: func(b *bundle) {
		b.mount("/mnt", "bind", filepath.Join(b.dir, "there-is-none"), "bind")
		b.spec.Process.Args = []string{"true"}
	}, want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": ""}},
	{
		name: "idmapped-bind-in-user-namespace", needs: idmappedTmpfs,
		set: func(b *bundle) {
			b.userns()
			source := b.addSource("source", nil)
			content := "x\n"
			b.addSource("source/file", &content)
			maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
			b.spec.Mounts = append(b.spec.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: source, Options: []string{"bind", "idmap"}, UIDMappings: maps, GIDMappings: maps})
		},
		ask:  ask{Stat: []string{"/mnt/file"}},
		want: map[string]string{"in.path./mnt/file": "file 0644 0:0", "in.mount./mnt.options": "*idmapped*"},
	},
}

// idmappedTmpfs returns why tmpfs cannot be ID-mapped here: the bundles are on a tmpfs.
func idmappedTmpfs() string {
	var name unix.Utsname
	var major, minor int
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 3 {
		return "needs Linux 6.3, where tmpfs can map owners"
	}
	return ""
}
