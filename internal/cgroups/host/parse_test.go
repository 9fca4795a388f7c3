package host

import (
	"maps"
	"strings"
	"testing"

	"github.com/containerd/cgroups/v3"
)

func TestParseProcCgroupLikeLibrary(t *testing.T) {
	want, wantV2, err := cgroups.ParseCgroupFileUnified("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	table, err := readProc("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	if got, v2 := parseProcCgroup(table); !maps.Equal(got, want) || v2 != wantV2 {
		t.Errorf("got %q and %q, want %q and %q", got, v2, want, wantV2)
	}
	got, v2 := parseProcCgroup("12:cpu,cpuacct:/a:b\n1:name=systemd:/s\n0::/u\nmalformed\n")
	if want := map[string]string{"cpu": "/a:b", "cpuacct": "/a:b", "name=systemd": "/s"}; !maps.Equal(got, want) || v2 != "/u" {
		t.Errorf("got %q and %q", got, v2)
	}
}

func TestParseMountinfo(t *testing.T) {
	const table = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /outer /sys/fs/cgroup/memory\040x rw,relatime - cgroup cgroup rw,memory
34 31 0:29 / /other/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
42 31 0:38 / /run/private rw - cgroup2 cgroup2 rw
broken line
`
	current := map[string]string{"cpu": "/a", "cpuacct": "/a", "memory": "/outer/in", "name=systemd": "/s"}
	h := parseMountinfo(table, current, "/u")
	if h.Mode != Hybrid || len(h.V1) != 3 || h.V2.Mount != "/sys/fs/cgroup/unified" || h.V2.Current != "/u" {
		t.Fatalf("%+v", h)
	}
	for controller, want := range map[string]string{
		"cpu": "/sys/fs/cgroup/cpu,cpuacct /a", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct /a",
		"memory": "/sys/fs/cgroup/memory x /in", "name=systemd": "/sys/fs/cgroup/systemd /s",
	} {
		d := h.V1Hierarchy(controller)
		if d == nil || d.Mount+" "+d.CurrentPath() != want {
			t.Errorf("%s: %+v, want %s", controller, d, want)
		}
	}
}

func TestCurrentPathOutsideTheMount(t *testing.T) {
	d := Hierarchy{Mount: "/m", Root: "/outer", Current: "/elsewhere"}
	if got := d.CurrentPath(); got != "/" {
		t.Error(got)
	}
}

func TestDirectoryOfCgroupName(t *testing.T) {
	for _, c := range []struct{ root, name, want string }{
		{"/", "/a/b", "/m/a/b"}, {"/outer", "/outer/b", "/m/b"}, {"/outer", "/outerx", ""}, {"/outer", "/a", ""},
	} {
		d := Hierarchy{Mount: "/m", Root: c.root}
		if got, ok := d.Directory(c.name); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s in %s: %q, %v", c.name, c.root, got, ok)
		}
	}
}

func TestTypicalHosts(t *testing.T) {
	v1, v2 := Typical(V1), Typical(V2)
	if v1.IsV2Only() || !v1.HasV1("cpuacct") || v1.HasV2("cpu") || v1.V1Hierarchy("name=systemd").Mount != "/sys/fs/cgroup/systemd" {
		t.Errorf("%+v", v1)
	}
	if !v2.IsV2Only() || v2.HasV1("cpu") || !v2.HasV2("cpu") || !strings.HasPrefix(v2.V2.Mount, mountRoot) {
		t.Errorf("%+v", v2)
	}
}
