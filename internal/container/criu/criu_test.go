package criu

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/spec"
)

// TestAnnotationReplacesConfigFile: the annotation replaces the default file, which may be missing.
func TestAnnotationReplacesConfigFile(t *testing.T) {
	usual := filepath.Join(t.TempDir(), "runc.conf")
	own := map[string]string{spec.AnnotationCRIUConfig: "/own.conf"}
	none := map[string]string{spec.AnnotationCRIUConfig: ""}
	check := func(annotations map[string]string, want string) {
		t.Helper()
		if got := strings.Join(configArgs(annotations, usual), " "); got != want {
			t.Errorf("%v: %q, want %q", annotations, got, want)
		}
	}
	check(nil, "")
	check(own, "--config /own.conf")
	if err := os.WriteFile(usual, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check(nil, "--config "+usual)
	check(own, "--config /own.conf")
	check(none, "")
}

func TestDumpArgsFollowOptions(t *testing.T) {
	config := &specs.Spec{
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}},
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc"},
			{Destination: "data/", Source: "/d", Options: []string{"bind"}}},
	}
	r := &record.Record{
		Pid: 42, Rootfs: "/b/rootfs", Cgroups: map[string]string{"freezer": "/f/c", "": "/u/c"},
		Annotations: map[string]string{spec.AnnotationCRIUConfig: "/etc/criu/own.conf"},
	}
	const end = " --config /etc/criu/own.conf"
	const begin = "--tree 42 --images-dir /i --root /b/rootfs --log-file dump.log -v4 "
	for _, c := range []struct {
		o    DumpOptions
		want string
	}{
		{DumpOptions{StatusFD: -1}, "dump " + begin + "--freeze-cgroup /f/c --evasive-devices --manage-cgroups=soft" +
			end},
		{DumpOptions{StatusFD: -1, PreDump: true, LeaveRunning: true}, "pre-dump " + begin +
			"--track-mem --freeze-cgroup /f/c --manage-cgroups=soft" + end},
		{DumpOptions{StatusFD: 7, WorkPath: "/w", ParentPath: "../p", LeaveRunning: true, TCPEstablished: true,
			TCPSkipInFlight: true, ExtUnixSk: true, ShellJob: true, FileLocks: true,
			AutoDedup: true, LinkRemap: true, LazyPages: true, PageServer: "[::1]:99", ManageCgroups: "full",
			EmptyNS: []string{"network"}},
			"dump " + begin +
				"--work-dir /w --prev-images-dir ../p --track-mem --freeze-cgroup /f/c --evasive-devices " +
				"--leave-running --tcp-established --skip-in-flight --ext-unix-sk " +
				"--shell-job --file-locks --auto-dedup --link-remap --lazy-pages --status-fd 3 --manage-cgroups=full " +
				"--page-server --address ::1 --port 99 --empty-ns net" + end},
	} {
		c.o.ImagePath = "/i"
		args, err := dumpArgs(r, &c.o, config)
		if got := strings.Join(args, " "); got != c.want || err != nil {
			t.Errorf("%+v:\n%s, want\n%s (%v)", c.o, got, c.want, err)
		}
	}
	for flag, o := range map[string]DumpOptions{
		"--page-server":         {PageServer: "host"},
		"--manage-cgroups-mode": {ManageCgroups: "hard"},
		"--empty-ns":            {EmptyNS: []string{"pid"}},
		"--parent-path":         {ParentPath: "/abs"},
	} {
		if args, err := dumpArgs(r, &o, config); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v, %v", flag, args, err)
		}
	}
}

// TestMountIsIdentifiedByItsSource: a mount is identified by its device and root. Its mount point is used only if
// these are unknown or match no mount.
func TestMountIsIdentifiedByItsSource(t *testing.T) {
	table := func(lines ...string) (all []*mountinfo.Info) {
		t.Helper()
		for i, line := range lines {
			f := strings.Fields(line) // device number, root, mount point
			minor, err := strconv.Atoi(f[0])
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, &mountinfo.Info{ID: i, Minor: minor, Root: f[1], Mountpoint: f[2]})
		}
		return all
	}
	for name, c := range map[string]struct {
		inside []*mountinfo.Info
		shown  map[string]mountSource // by mount point
		want   map[string]string
	}{
		"at its destination": {table("1 /rootfs /", "1 /a /x"), map[string]mountSource{"/x": {0, 1, "/a"}},
			map[string]string{"/x": "/x"}},
		"through a link": {table("1 /rootfs /", "1 /a /real"), map[string]mountSource{"/x": {0, 1, "/a"}},
			map[string]string{"/real": "/x"}},
		"of a file that was replaced": {table("1 /a//deleted /real"), map[string]mountSource{"/x": {0, 1, "/a"}},
			map[string]string{"/real": "/x"}},
		"of a source that is gone": {table("1 /b /x"), map[string]mountSource{"/x": {}},
			map[string]string{"/x": "/x"}},
		"of another device": {table("2 /a /real"), map[string]mountSource{"/x": {0, 1, "/a"}},
			map[string]string{}},
		"the root file system": {table("1 /rootfs /", "1 /rootfs /y"),
			map[string]mountSource{"/x": {0, 1, "/rootfs"}}, map[string]string{"/y": "/x"}},
		"directories that are swapped": {table("1 /a /y", "1 /b /x"),
			map[string]mountSource{"/x": {0, 1, "/a"}, "/y": {0, 1, "/b"}}, map[string]string{"/y": "/x", "/x": "/y"}},
		"one that hides in its place": {table("3 / /x", "1 /a /y"), map[string]mountSource{"/x": {0, 1, "/a"}},
			map[string]string{"/y": "/x"}},
		"one source twice": {table("1 /a /y", "1 /a /z"),
			map[string]mountSource{"/x": {0, 1, "/a"}, "/y": {0, 1, "/a"}}, map[string]string{"/y": "/y", "/z": "/x"}},
		"one place twice": {table("1 /a /y", "1 /b /y"),
			map[string]mountSource{"/x": {0, 1, "/b"}, "/y": {0, 1, "/a"}}, map[string]string{"/y": "/x"}},
	} {
		var all []hostPlace
		for _, name := range slices.Sorted(maps.Keys(c.shown)) {
			all = append(all, hostPlace{name: name})
		}
		got := mountPoints(all, c.inside, func(p *hostPlace) (mountSource, bool) {
			return c.shown[p.name],
				c.shown[p.name] != mountSource{}
		})
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
