// Cases: which flags a bind mount gets, from its source and from its options; docs/mounts.md has the whole table.
package compare

import (
	"fmt"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// flaggedSources maps names of sources to their mount flags.
var flaggedSources = map[string]uintptr{
	"plain": 0, "ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"ro-nosuid-nodev-noexec": unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, "nosymfollow": unix.MS_NOSYMFOLLOW,
	"noatime": unix.MS_NOATIME, "strictatime": unix.MS_STRICTATIME, "noatime-nodiratime": unix.MS_NOATIME | unix.MS_NODIRATIME,
}

var flagOptions = []string{
	"", "ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec", "nosymfollow", "symfollow", "rw,suid,dev,exec", "sync", "async", "dirsync", "lazytime",
	"relatime", "norelatime", "noatime", "atime", "strictatime", "nostrictatime", "nodiratime", "diratime", "noatime,nodiratime", "ro,noatime", "ro,rro", "ro,rrw",
	"rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec", "rnosymfollow", "rsymfollow",
	"rrelatime", "rnorelatime", "rnoatime", "ratime", "rstrictatime", "rnostrictatime", "rnodiratime", "rdiratime",
}

// flaggedSource creates a directory with these flags, with another mount below it for rbind.
func flaggedSource(b *bundle, flags uintptr, below bool) string {
	dir := b.addSource("flagged", nil)
	b.hostMount("tmpfs", dir, "tmpfs", 0, "size=64k,mode=755")
	if below {
		b.hostMount("tmpfs", dir+"/below", "tmpfs", 0, "size=64k,mode=755")
		b.check(unix.Mount("", dir+"/below", "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""))
	}
	b.check(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|flags, ""))
	return dir
}

const atimeApplied = "runc ignores words that take back the access time of the source"

// flagCase mounts one source with every option.
func flagCase(source string) testCase {
	return testCase{
		name: "bind-flags-of-" + source,
		set: func(b *bundle) {
			dir := flaggedSource(b, flaggedSources[source], true)
			b.mount("/flags", "tmpfs", "tmpfs")
			for _, options := range flagOptions {
				words := strings.FieldsFunc(options, func(r rune) bool { return r == ',' })
				b.mount("/flags/"+options+"!", "bind", dir, append([]string{"bind"}, words...)...)
				b.mount("/flags/r/"+options+"!", "bind", dir, append([]string{"rbind"}, words...)...)
			}
		},
		allowed: atimeDifferences(source),
	}
}

// atimeDifferences returns what atime, nostrictatime and diratime change for a source with a
// different access time mode.
func atimeDifferences(source string) (out []allowed) {
	want := map[string][2]string{ // after atime and nostrictatime; after diratime
		"noatime": {"rw,relatime", "rw,noatime"}, "strictatime": {"rw,relatime", "rw"}, "noatime-nodiratime": {"rw,nodiratime,relatime", "rw,noatime"},
	}[source]
	if want[0] == "" {
		return nil
	}
	for _, dir := range []string{"/flags/", "/flags/r/"} {
		out = append(out, allowed{"in.mount." + dir + "atime!.options", want[0], atimeApplied}, allowed{"in.mount." + dir + "nostrictatime!.options", want[0], atimeApplied},
			allowed{"in.mount." + dir + "diratime!.options", want[1], atimeApplied})
	}
	return out
}

// lockedCase mounts one source with options in a user namespace: rejected if they clear a flag of the
// source.
func lockedCase(source, options string, refused bool) testCase {
	c := testCase{
		name: "bind-flags-locked-" + source + "-" + options, plain: true,
		set: func(b *bundle) {
			b.userns()
			dir := flaggedSource(b, flaggedSources[source], false)
			b.mount("/mnt", "bind", dir, append([]string{"bind"}, strings.Split(options, ",")...)...)
			b.spec.Process.Args = []string{"sh", "-c", "grep ' /mnt ' /proc/self/mountinfo | cut -d' ' -f6"}
		},
		want: map[string]string{"exit": "0"},
	}
	if refused {
		c.want = map[string]string{"exit": "1", "stderr.empty": "false", "left.state": "", "left.cgroups": ""}
	}
	return c
}

// joinedMapping is a container that joins a user namespace by path and has an ID-mapped mount without
// mappings.
func joinedMapping(word string) testCase {
	return testCase{
		name: "idmapped-bind-of-joined-user-" + word, needs: idmappedTmpfs,
		set: func(b *bundle) {
			p := b.holder(unix.CLONE_NEWUSER, 0, []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}, "user")
			b.userns()
			b.namespace(specs.UserNamespace, p.path("user"))
			b.spec.Linux.UIDMappings, b.spec.Linux.GIDMappings = nil, nil
			b.mount("/mnt", "bind", treeToBind(b), "rbind", word)
		},
		ask: ask{Stat: []string{"/mnt/file", "/mnt/sub"}},
		allowed: []allowed{
			{"in.mount./mnt.propagation", "master", "a bind mount of a shared source is its slave, also if it is id-mapped; in runc it is private then"},
			{"in.mount./mnt/sub.propagation", "master", "as above"},
		},
		want: map[string]string{"in.path./mnt/file": "file 0644 0:0", "in.mount./mnt.options": "*idmapped*"},
	}
}

var flagCases = []testCase{
	lockedCase("ro", "rw", true), lockedCase("nosuid", "suid", true), lockedCase("nodev", "dev", true), lockedCase("noexec", "exec", true),
	lockedCase("ro", "rrw", true), lockedCase("ro-nosuid-nodev-noexec", "rw,suid,dev,exec", true),
	lockedCase("plain", "noatime", true), lockedCase("noatime", "relatime", true), lockedCase("plain", "rnoatime", true), lockedCase("plain", "nodiratime", true),
	lockedCase("ro", "nosuid", false), lockedCase("nosuid", "ro", false), lockedCase("ro-nosuid-nodev-noexec", "sync", false), lockedCase("noatime", "ro", false),
	lockedCase("ro-nosuid-nodev-noexec", "rnosuid", false), lockedCase("nosymfollow", "ro", false), lockedCase("ro", "nosymfollow", false),
	joinedMapping("idmap"), joinedMapping("ridmap"),
	{
		name: "masked-directories", // all are hidden by one file system
		set: func(b *bundle) {
			for i := range 40 {
				dir := fmt.Sprintf("cpu/cpu%d/throttle", i)
				b.mkdir(dir, 0o755)
				b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, "/"+dir)
			}
		},
		ask:  ask{Masked: []string{"/cpu/cpu0/throttle", "/cpu/cpu39/throttle"}, ReadOnly: []string{"/cpu/cpu7/throttle"}},
		want: map[string]string{"in.mount./cpu/cpu3/throttle.super": "ro,size=4k,nr_inodes=1*", "in.readonly./cpu/cpu7/throttle": "EROFS"},
	},
	{
		name: "readonly-path-root", plain: true,
		set: func(b *bundle) {
			b.spec.Root.Readonly = false
			b.spec.Linux.ReadonlyPaths = append([]string{"/"}, b.spec.Linux.ReadonlyPaths...)
			b.spec.Process.Args = []string{"sh", "-c", "touch /x; touch /dev/shm/y && echo written"}
		},
		want: map[string]string{"stdout": "written\n"},
	},
}

func init() {
	for _, source := range []string{"plain", "ro", "nosuid", "nodev", "noexec", "ro-nosuid-nodev-noexec", "nosymfollow", "noatime", "strictatime", "noatime-nodiratime"} {
		flagCases = append(flagCases, flagCase(source))
	}
}
