// Cases: mount targets that lead through symbolic links, and the order of mounts.
package compare

import (
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// targetCase mounts on a target that leads through symbolic links, and checks paths.
func targetCase(name string, set func(*bundle), look ...string) testCase {
	return testCase{name: "target-" + name, set: set, ask: ask{Stat: look}}
}

// bindFile bind-mounts a file from outside the root on a target.
func bindFile(b *bundle, target string, options ...string) {
	content := "from the host\n"
	b.mount(target, "bind", b.addSource("one-file", &content), append([]string{"bind"}, options...)...)
}

// bindDir does the same with a directory.
func bindDir(b *bundle, target string) { b.mount(target, "bind", b.addSource("one-dir", nil), "bind") }

// refusedTarget is a mount that every runtime rejects.
func refusedTarget(name string, set func(*bundle)) testCase {
	return testCase{name: "target-" + name, plain: true, set: func(b *bundle) {
		b.spec.Process.Args = []string{"true"}
		set(b)
	}, want: map[string]string{"stderr.empty": "false", "left.mounts": ""}}
}

var targetCases = []testCase{
	targetCase("dangling-resolv-conf", func(b *bundle) {
		b.symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
		bindFile(b, "/etc/resolv.conf")
	}, "/etc/resolv.conf", "/run/systemd", "/run/systemd/resolve", "/run/systemd/resolve/stub-resolv.conf"),
	targetCase("dangling-localtime", func(b *bundle) {
		b.symlink("localtime", "/usr/share/zoneinfo/Etc/UTC")
		bindFile(b, "/localtime", "ro")
	}, "/localtime", "/usr/share/zoneinfo/Etc", "/usr/share/zoneinfo/Etc/UTC"),
	targetCase("dangling-directory", func(b *bundle) {
		b.symlink("link", "/srv/missing/dir")
		bindDir(b, "/link")
	}, "/link", "/srv/missing", "/srv/missing/dir"),
	targetCase("below-dangling", func(b *bundle) {
		b.symlink("link", "/srv/missing")
		bindFile(b, "/link/a/file")
		bindDir(b, "/link/b/dir")
		b.mount("/link/c", "tmpfs", "tmpfs", "size=64k")
		b.mount("/link/q", "mqueue", "mqueue")
	}, "/link", "/srv/missing/a", "/srv/missing/a/file", "/srv/missing/b/dir", "/srv/missing/c", "/srv/missing/q"),
	targetCase("dangling-tmpfs", func(b *bundle) {
		b.symlink("link", "/srv/missing")
		b.symlink("full", "/srv/full")
		b.mount("/link", "tmpfs", "tmpfs")
		b.mount("/full", "tmpfs", "tmpfs", "tmpcopyup", "ro")
	}, "/link", "/srv/missing", "/srv/full"),
	targetCase("dangling-climbs", func(b *bundle) {
		b.mkdir("opt", 0o755)
		b.symlink("opt/link", "../../../../../climbed/out")
		b.symlink("opt/tmp", "../../../../../climbed/tmp")
		bindFile(b, "/opt/link/file")
		b.mount("/opt/tmp", "tmpfs", "tmpfs")
	}, "/opt/link", "/climbed", "/climbed/out/file", "/climbed/tmp"),
	targetCase("dangling-chain", func(b *bundle) {
		b.symlink("one", "two")
		b.symlink("two", "/three/file")
		b.symlink("three", "missing/../four/./five/")
		bindFile(b, "/one")
	}, "/one", "/missing", "/four", "/four/five", "/four/five/file"),
	targetCase("dangling-in-mounts", func(b *bundle) { // one in a volume, and one that leads into a tmpfs
		dir := b.addSource("volume", nil)
		b.check(os.Symlink("../../made/by-volume", filepath.Join(dir, "link")))
		b.check(os.Symlink("own/dir", filepath.Join(dir, "inside")))
		b.mount("/volume", "bind", dir, "bind")
		b.mount("/scratch", "tmpfs", "tmpfs", "mode=755")
		b.symlink("into", "/scratch/deep/file")
		bindFile(b, "/volume/link")
		bindDir(b, "/volume/inside")
		bindFile(b, "/into")
	}, "/made/by-volume", "/volume/own/dir", "/scratch/deep", "/scratch/deep/file"),
	targetCase("dangling-userns", func(b *bundle) {
		b.userns()
		b.symlink("link", "/run/new")
		b.mount("/link", "tmpfs", "tmpfs")
		b.mount("/link/deep/er", "tmpfs", "tmpfs", "mode=755")
	}, "/run/new", "/run/new/deep", "/run/new/deep/er"),
	targetCase("proc-and-sysfs-below-link", func(b *bundle) {
		b.mkdir("real", 0o755)
		b.symlink("link", "/real")
		b.symlink("dangling", "/real/new/dir")
		b.mount("/link/proc", "proc", "proc")
		b.mount("/dangling/sys", "sysfs", "sysfs", "ro")
	}, "/real/proc", "/real/new/dir/sys"),
	refusedTarget("into-proc-through-volume-on-sys", func(b *bundle) {
		b.symlink("link", "/sys")
		b.mkdir("volume", 0o755)
		b.symlink("volume/p", "/proc/driver")
		b.mount("/link", "bind", filepath.Join(b.root, "volume"), "rbind")
		b.mount("/sys/p", "tmpfs", "tmpfs")
	}),
	refusedTarget("into-proc-through-volume-below-dev", func(b *bundle) {
		b.symlink("link", "/dev")
		b.mkdir("volume", 0o755)
		b.symlink("volume/p", "/proc/driver")
		b.mount("/link/x", "bind", filepath.Join(b.root, "volume"), "rbind")
		b.mount("/dev/x/p", "tmpfs", "tmpfs")
	}),
	refusedTarget("proc-is-link", func(b *bundle) {
		b.mkdir("real", 0o755)
		b.symlink("link", "/real")
		b.mount("/link", "proc", "proc")
	}),
	refusedTarget("link-to-root", func(b *bundle) {
		b.symlink("link", "/opt/..")
		b.mount("/link", "tmpfs", "tmpfs")
	}),
	refusedTarget("link-into-proc", func(b *bundle) {
		b.symlink("link", "/proc")
		bindFile(b, "/link/version")
	}),
	refusedTarget("link-loop", func(b *bundle) {
		b.symlink("link", "other")
		b.symlink("other", "link")
		bindFile(b, "/link/x")
	}),
	refusedTarget("below-file", func(b *bundle) {
		b.symlink("link", "/etc/passwd")
		bindFile(b, "/link/x")
	}),
	{name: "tmpfs-copy-up-missing", set: func(b *bundle) { b.mount("/new", "tmpfs", "tmpfs", "tmpcopyup") },
		ask: ask{Stat: []string{"/new"}}, want: map[string]string{"in.path./new": "dir 1777 *"}},
	{
		name: "read-only-tmpfs-with-mounts", // what config.json mounts into it is there
		set: func(b *bundle) {
			b.mount("/scratch", "tmpfs", "tmpfs", "ro", "mode=755")
			bindFile(b, "/scratch/a/file")
			b.mount("/scratch/b", "tmpfs", "tmpfs", "ro", "mode=700")
			bindDir(b, "/scratch/b/dir")
			b.spec.Process.Cwd = "/scratch/work/here"
		},
		ask: ask{Stat: []string{"/scratch", "/scratch/a/file", "/scratch/b", "/scratch/b/dir", "/scratch/work/here"}, ReadOnly: []string{"/scratch", "/scratch/b"}},
		want: map[string]string{
			"in.readonly./scratch": "EROFS", "in.readonly./scratch/b": "EROFS", "in.cwd": "/scratch/work/here",
		},
	},
	{
		name: "read-only-dev-with-cwd",
		set: func(b *bundle) {
			for i := range b.spec.Mounts {
				if m := &b.spec.Mounts[i]; m.Destination == "/dev" {
					m.Options = append(m.Options, "ro")
				}
			}
			b.spec.Process.Cwd = "/dev/work"
		},
		ask: ask{Stat: []string{"/dev/work"}, ReadOnly: []string{"/dev"}}, want: map[string]string{"in.readonly./dev": "EROFS"},
	},
	{
		name: "bind-source-made-by-mount", // created by an earlier entry: a file, a directory, one that hides a file
		set: func(b *bundle) {
			bindFile(b, "/made/file")
			bindDir(b, "/made/dir")
			b.mount("/again/file", "bind", filepath.Join(b.root, "made/file"), "bind")
			b.mount("/again/dir", "bind", filepath.Join(b.root, "made"), "rbind")
			b.file("cover/x", "a file\n", 0o644)
			b.mount("/cover", "tmpfs", "tmpfs", "mode=755")
			bindDir(b, "/cover/x")
			b.mount("/again/covered", "bind", filepath.Join(b.root, "cover/x"), "bind")
		},
		ask: ask{Stat: []string{"/again/file", "/again/dir", "/again/dir/file", "/again/dir/dir", "/again/covered"}, Read: []string{"/again/file"}},
	},
	{
		name: "cgroup2-mount", // is version 2, even if the controllers are on version 1
		set: func(b *bundle) {
			b.namespace(specs.CgroupNamespace, "")
			b.mount("/cgroup2", "cgroup2", "cgroup2", "ro")
		},
		want: map[string]string{"in.mount./cgroup2.fstype": "cgroup2"},
	},
}
