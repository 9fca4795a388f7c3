package group

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/cgroups/host"
)

// hosts returns a v1, a hybrid and a v2 host whose process is not in the root.
func hosts() map[string]*host.Host {
	v1, hybrid, v2 := host.Typical(host.V1), host.Typical(host.V1), host.Typical(host.V2)
	hybrid.Mode = host.Hybrid
	hybrid.V2 = &host.Hierarchy{Controllers: []string{"hugetlb"}, Mount: "/sys/fs/cgroup/unified", Root: "/", Current: "/own"}
	for _, h := range []*host.Host{v1, hybrid} {
		for i := range h.V1 {
			h.V1[i].Current = "/own"
		}
	}
	v2.V2.Current = "/own/me"
	return map[string]*host.Host{"v1": v1, "hybrid": hybrid, "v2": v2}
}

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
		got, err := Path(c.cgroupsPath, "id")
		if err != nil || got != c.want {
			t.Errorf("Path(%q) = %q, %v; want %q", c.cgroupsPath, got, err, c.want)
		}
		if dir := New(hosts()["v1"], got).V1Directory("memory"); dir != c.v1 {
			t.Errorf("v1: %q is in %q, want %q", c.cgroupsPath, dir, c.v1)
		}
		if dir := New(hosts()["v2"], got).V2Directory(); dir != c.v2 {
			t.Errorf("v2: %q is in %q, want %q", c.cgroupsPath, dir, c.v2)
		}
	}
	for bad, why := range map[string]string{
		"/": "root", ".": "root", "..": "root", "/..": "root", "a/..": "root", "a\nb": "newline", "a\x00": "NUL",
	} {
		if got, err := Path(bad, "id"); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Path(%q) = %q, %v; want an error about the %s", bad, got, err, why)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("a/../b")
	f.Fuzz(func(t *testing.T, path string) {
		p, err := Path(path, "id")
		if err != nil {
			return
		}
		for name, h := range hosts() {
			for i, d := range New(h, p).directories {
				if !strings.HasPrefix(d.path, d.mount+"/") || strings.Contains(d.path+"/", "/../") || d.path == d.mount {
					t.Fatalf("%s %d: %q escapes to %q", name, i, path, d.path)
				}
			}
		}
	})
}

// TestOpenPathsOfGroup: the paths in state.json refer to the same group again.
func TestOpenPathsOfGroup(t *testing.T) {
	for name, h := range hosts() {
		g := New(h, "/x")
		again := Open(g.Paths())
		if len(again.directories) != len(g.directories) || again.v2Only != g.v2Only {
			t.Errorf("%s: %d directories became %d", name, len(g.directories), len(again.directories))
		}
		for controller, path := range again.Paths() {
			if g.Paths()[controller] != path {
				t.Errorf("%s: %q moved to %q", name, controller, path)
			}
		}
	}
}

func TestOpenOnFindsMountPoints(t *testing.T) {
	for name, h := range hosts() {
		g := New(h, "/x")
		again := OpenOn(h, g.Paths())
		for _, d := range again.directories {
			if want := g.lookup(d.controllers[0]).mount; d.mount != want {
				t.Errorf("%s: %s is on %q, want %q", name, d.path, d.mount, want)
			}
		}
	}
}

func TestAncestors(t *testing.T) {
	g := New(hosts()["v2"], "/a/b/c")
	if got := strings.Join(g.v2().ancestors(), " "); got != "/sys/fs/cgroup /sys/fs/cgroup/a /sys/fs/cgroup/a/b" {
		t.Error(got)
	}
}

func TestNamesAreThoseOfProc(t *testing.T) {
	h := hosts()["hybrid"]
	h.V1[3].Root = "/outer" // memory, of which only a part is mounted
	names := New(h, "/x").Names(h)
	for key, want := range map[string]string{"cpu,cpuacct": "/x", "name=systemd": "/x", "memory": "/outer/x", "": "/x"} {
		if names[key] != want {
			t.Errorf("%q: %q, want %q", key, names[key], want)
		}
	}
}
