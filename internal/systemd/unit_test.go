package systemd

import (
	"strings"
	"testing"
)

func TestUnitOfCgroupsPath(t *testing.T) {
	for _, c := range []struct {
		cgroupsPath, id string
		user            bool
		path            string // the cgroup's path, or part of the error
	}{
		{"", "box", false, "/system.slice/minirun-box.scope"},
		{"", "box", true, "/user.slice/minirun-box.scope"},
		{"", "a+b", false, `/system.slice/minirun-a\x2bb.scope`},
		{"system.slice:docker:0a1", "box", false, "/system.slice/docker-0a1.scope"},
		{"user.slice:libpod:0a1", "box", true, "/user.slice/libpod-0a1.scope"},
		{"kubepods-besteffort-pod1.slice:cri:0a1", "box", false, "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-0a1.scope"},
		{":cri:0a1", "box", false, "/system.slice/cri-0a1.scope"},
		{"a.slice::0a1", "box", false, "/a.slice/0a1.scope"},
		{"-.slice:p:n", "box", false, "/p-n.scope"},
		{"/a/b", "box", false, `"slice:prefix:name"`},
		{"a:b", "box", false, `"slice:prefix:name"`},
		{"a.slice:b:", "box", false, `"slice:prefix:name"`},
		{"a:b:c", "box", false, "name of a slice"},
		{"a/b.slice:b:c", "box", false, "name of a slice"},
		{"a--b.slice:b:c", "box", false, "name of a slice"},
		{"-a.slice:b:c", "box", false, "name of a slice"},
		{".slice:b:c", "box", false, "name of a slice"},
		{"a.slice:b:c.slice", "box", false, "cannot have processes"},
		{"a.slice:b:" + strings.Repeat("c", 250), "box", false, "255"},
	} {
		u, err := NewUnit(c.cgroupsPath, c.id, c.user)
		if got := u.Path(); err == nil && got != c.path {
			t.Errorf("%q, %s: %s, want %s", c.cgroupsPath, c.id, got, c.path)
		}
		if bad := !strings.HasPrefix(c.path, "/"); bad != (err != nil) || bad && !strings.Contains(err.Error(), c.path) {
			t.Errorf("%q: %v, want %s", c.cgroupsPath, err, c.path)
		}
	}
}
