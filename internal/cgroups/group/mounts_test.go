package group

import (
	"strings"
	"testing"
)

func TestBindMounts(t *testing.T) {
	h := hosts()["v1"]
	m := New(h, "/x").BindMounts(h)
	if len(m) != len(h.V1) || m[1].Name != "cpu,cpuacct" || strings.Join(m[1].Aliases, " ") != "cpu cpuacct" ||
		m[1].Source != "/sys/fs/cgroup/cpu,cpuacct/x" || m[0].Name != "systemd" || len(m[0].Aliases) != 0 {
		t.Errorf("%+v", m)
	}
	if m = Open(nil).BindMounts(h); len(m) != 0 {
		t.Errorf("of a group without directories: %+v", m)
	}
	h = hosts()["v2"]
	if m = New(h, "/x").BindMounts(h); len(m) != 1 || m[0].Source != "/sys/fs/cgroup" || m[0].Name != "" {
		t.Errorf("%+v", m)
	}
}

func TestNewMounts(t *testing.T) {
	m := NewMounts(hosts()["v1"])
	if m[0].Source != "" || m[0].Data != "none,name=systemd" || m[1].Data != "cpu,cpuacct" || m[1].FSType != "cgroup" {
		t.Errorf("%+v", m)
	}
	if m = NewMounts(hosts()["v2"]); len(m) != 1 || m[0].FSType != "cgroup2" || m[0].Source != "" {
		t.Errorf("%+v", m)
	}
}
