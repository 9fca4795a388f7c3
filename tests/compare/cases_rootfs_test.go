// Cases: the root file system and the propagation of mounts.
package compare

import (
	"path/filepath"

	"golang.org/x/sys/unix"
)

func propagation(kind string) testCase {
	return testCase{
		name: "root-propagation-" + kind,
		set: func(b *bundle) {
			b.spec.Linux.RootfsPropagation = kind
			b.mount("/mnt", "bind", b.addSource("source", nil), "rbind", "rw")
			if kind != "unbindable" { // runc cannot bind-mount anything below an unbindable mount: see tests/e2e
				b.spec.Linux.ReadonlyPaths = append(b.spec.Linux.ReadonlyPaths, "/etc")
				b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, "/tmp")
			}
		},
		allowed: slaves(kind),
	}
}

// propagationInUserNamespace has bind mounts. Their sources and the root pass through an intermediate
// mount namespace.
func propagationInUserNamespace(kind string) testCase {
	c := propagation(kind)
	c.name += "-user-namespace"
	set := c.set
	c.set = func(b *bundle) {
		set(b)
		b.userns()
	}
	return c
}

// slaves lists the mounts that are slaves of the host's mounts under minirun. runc makes the mount
// below the root private, which here is also the source's mount.
func slaves(kind string) []allowed {
	if kind != "slave" && kind != "rslave" {
		return nil
	}
	const reason = "config-linux.md: the root is a slave, and what the host mounts below it appears in the container; runc leaves it private"
	return []allowed{{"in.mount./.propagation", "master", reason}, {"in.mount./mnt.propagation", "master", reason}}
}

var rootfsCases = []testCase{
	{name: "root-writable", set: func(b *bundle) { b.spec.Root.Readonly = false }, ask: ask{ReadOnly: []string{"/", "/tmp", "/dev"}}, want: map[string]string{"in.readonly./": "ok"}},
	{name: "root-absolute-path", set: func(b *bundle) { b.spec.Root.Path = b.root }},
	{
		name: "root-by-symlink", plain: true,
		set: func(b *bundle) {
			b.symlink("../link", "rootfs")
			b.spec.Root.Path = "link"
			b.spec.Process.Args = []string{"cat", "/proc/self/mountinfo"}
			b.spec.Mounts = b.spec.Mounts[:1]
			b.spec.Process.Args = []string{"ls", "/"}
		},
	},
	{
		name: "root-is-a-mount", // an overlay or a volume: the root is already a mountpoint
		set: func(b *bundle) {
			b.hostMount(b.root, filepath.Join(b.dir, "mounted"), "", unix.MS_BIND, "")
			b.spec.Root.Path = "mounted"
		},
	},
	{
		name: "root-on-overlay",
		set: func(b *bundle) {
			upper, work := b.addSource("upper", nil), b.addSource("work", nil)
			b.hostMount("overlay", filepath.Join(b.dir, "merged"), "overlay", 0, "lowerdir="+b.root+",upperdir="+upper+",workdir="+work)
			b.spec.Root.Path = "merged"
			b.spec.Root.Readonly = false
		},
		ask: ask{ReadOnly: []string{"/", "/tmp"}},
	},
	{
		name: "root-with-mount-below", // a file system that is already mounted below the root is included
		set: func(b *bundle) {
			b.hostMount("tmpfs", filepath.Join(b.root, "mnt/below"), "tmpfs", unix.MS_NOSUID, "size=64k")
		},
		ask: ask{Stat: []string{"/mnt/below"}, ReadOnly: []string{"/mnt/below"}},
	},
	propagation("private"), propagation("slave"), propagation("shared"), propagation("unbindable"), propagation("rprivate"), propagation("rslave"), propagation("rshared"),
	propagationInUserNamespace("rprivate"), propagationInUserNamespace("rslave"), propagationInUserNamespace("rshared"), propagationInUserNamespace("shared"),
	{
		name: "root-missing", plain: true,
		set: func(b *bundle) {
			b.spec.Root.Path = "there-is-none"
			b.spec.Process.Args = []string{"true"}
		},
		want: map[string]string{"stderr.empty": "false", "left.cgroups": "", "left.state": ""},
	},
	{name: "root-mode-and-owner-kept", set: func(b *bundle) { b.check(unix.Chmod(b.root, 0o711)) }, want: map[string]string{"in.stat./": "dir 0711 0:0"}},
	{
		name: "no-mounts-but-proc",
		set: func(b *bundle) {
			b.spec.Mounts = b.spec.Mounts[:1]
			b.spec.Root.Readonly = false // the runtime creates the default devices in the root file system itself
		},
	},
}
