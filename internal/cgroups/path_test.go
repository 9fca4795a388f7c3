package cgroups

import (
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct{ cgroupsPath, want, v1, v2 string }{
		{"", "id", "/sys/fs/cgroup/memory/own/id", "/sys/fs/cgroup/own/id"},
		{"a/b", "a/b", "/sys/fs/cgroup/memory/own/a/b", "/sys/fs/cgroup/own/a/b"},
		{"/a/b", "/a/b", "/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/a/b"},
		{"../../../a", "a", "/sys/fs/cgroup/memory/own/a", "/sys/fs/cgroup/own/a"},
		{"/x/../../../a", "/a", "/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/a"},
		{"/a//b/", "/a/b", "/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/a/b"},
		{"system.slice:minirun:x", "system.slice:minirun:x", "/sys/fs/cgroup/memory/own/system.slice:minirun:x", "/sys/fs/cgroup/own/system.slice:minirun:x"},
	} {
		for name, dir := range map[string]string{"v1": c.v1, "v2": c.v2} {
			h := hosts()[name]
			got, err := Path(h, c.cgroupsPath, "id")
			if err != nil || got != c.want {
				t.Errorf("Path(%q) = %q, %v; want %q", c.cgroupsPath, got, err, c.want)
			}
			paths := h.Group(got).Paths()
			if key := map[string]string{"v1": "memory"}[name]; paths[key] != dir {
				t.Errorf("%s: %q is in %q, want %q", name, c.cgroupsPath, paths[key], dir)
			}
		}
	}
	for _, bad := range []string{"/", ".", "..", "/..", "a/..", "a\nb", "a\x00"} {
		if got, err := Path(hosts()["v1"], bad, "id"); err == nil || !strings.Contains(err.Error(), "linux.cgroupsPath") {
			t.Errorf("Path(%q) = %q, %v; want an error", bad, got, err)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, path string) {
		for name, h := range hosts() {
			p, err := Path(h, path, "id")
			if err != nil {
				continue
			}
			for i, d := range h.Group(p).dirs {
				if !strings.HasPrefix(d.path, d.mount+"/") || strings.Contains(d.path+"/", "/../") || d.path == d.mount {
					t.Fatalf("%s %d: %q escapes to %q", name, i, path, d.path)
				}
			}
		}
	})
}

// TestOpenIsPaths: the paths in state.json refer to the same group again.
func TestOpenIsPaths(t *testing.T) {
	for name, h := range hosts() {
		g := h.Group("/x")
		again := Open(g.Paths())
		if len(again.dirs) != len(g.dirs) || again.only != g.only {
			t.Errorf("%s: %d directories became %d", name, len(g.dirs), len(again.dirs))
		}
		for key, path := range again.Paths() {
			if g.Paths()[key] != path {
				t.Errorf("%s: %q moved to %q", name, key, path)
			}
		}
	}
}

func TestParseHierarchies(t *testing.T) {
	const table = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:30 /outer /sys/fs/cgroup/memory\040x rw,relatime - cgroup cgroup rw,memory
34 31 0:29 / /other/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
42 31 0:38 / /run/private rw - cgroup2 cgroup2 rw
broken line
`
	h := parseHierarchies(table, map[string]string{"cpu": "/a", "cpuacct": "/a", "memory": "/outer/in", "name=systemd": "/s"}, "/u")
	if h.Mode != Hybrid || len(h.V1) != 3 || h.V2.Mount != "/sys/fs/cgroup/unified" || h.V2.Own != "/u" {
		t.Fatalf("%+v", h)
	}
	if d := h.Group("x").Paths(); d["cpu"] != "/sys/fs/cgroup/cpu,cpuacct/a/x" || d["cpuacct"] != d["cpu"] ||
		d["memory"] != "/sys/fs/cgroup/memory x/in/x" || d["name=systemd"] != "/sys/fs/cgroup/systemd/s/x" || d[""] != "/sys/fs/cgroup/unified/u/x" {
		t.Errorf("%v", d)
	}
}

func TestMounts(t *testing.T) {
	h := hosts()["v1"]
	m := h.Group("/x").Mounts(h, false)
	if len(m) != len(h.V1) || m[1].Name != "cpu,cpuacct" || strings.Join(m[1].Aliases, " ") != "cpu cpuacct" || m[1].Source != "/sys/fs/cgroup/cpu,cpuacct/x" || m[0].Name != "systemd" || len(m[0].Aliases) != 0 {
		t.Errorf("%+v", m)
	}
	m = h.Group("/x").Mounts(h, true)
	if m[0].Source != "" || m[0].Data != "none,name=systemd" || m[1].Data != "cpu,cpuacct" || m[1].FSType != "cgroup" {
		t.Errorf("%+v", m)
	}
	h = hosts()["v2"]
	if m = h.Group("/x").Mounts(h, false); len(m) != 1 || m[0].Source != "/sys/fs/cgroup" || m[0].Name != "" {
		t.Errorf("%+v", m)
	}
	if m = h.Group("/x").Mounts(h, true); len(m) != 1 || m[0].FSType != "cgroup2" || m[0].Source != "" {
		t.Errorf("%+v", m)
	}
}
