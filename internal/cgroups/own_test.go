package cgroups

import (
	"maps"
	"testing"

	lib "github.com/containerd/cgroups/v3"
)

// TestParseOwn: parseOwn reads this process's cgroups in the same way as the library.
func TestParseOwn(t *testing.T) {
	want, wantV2, err := lib.ParseCgroupFileUnified("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	table, err := readAll("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	if got, v2 := parseOwn(table); !maps.Equal(got, want) || v2 != wantV2 {
		t.Errorf("got %q and %q, want %q and %q", got, v2, want, wantV2)
	}
	got, v2 := parseOwn("12:cpu,cpuacct:/a:b\n1:name=systemd:/s\n0::/u\nmalformed\n")
	if want := map[string]string{"cpu": "/a:b", "cpuacct": "/a:b", "name=systemd": "/s"}; !maps.Equal(got, want) || v2 != "/u" {
		t.Errorf("got %q and %q", got, v2)
	}
}
