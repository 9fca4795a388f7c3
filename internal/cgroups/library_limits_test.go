package cgroups_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

// TestLimitsMatchLibrary gives two groups the same resources, one with package resources and one with
// the library's manager, and compares all the files that either can write. What the library does not
// write is left out (docs/decisions/0010-containerd-cgroups.md), and so are raising the limits of memory
// and swap together, which it does in an order that the v1 kernel refuses, and its v1 cpuset, which
// accepts no group outside its own mount point.
func TestLimitsMatchLibrary(t *testing.T) {
	h, ours := newGroup(t)
	_, theirs := newGroup(t)
	for _, c := range []struct{ controller, json string }{
		{"memory", `{"memory":{"limit":33554432,"swap":67108864,"reservation":16777216}}`},
		{"memory", `{"memory":{"limit":16777216,"swap":16777216}}`},
		{"cpu", `{"cpu":{"shares":1024,"quota":20000,"period":50000}}`},
		{"cpu", `{"cpu":{"shares":512,"quota":200000,"period":100000}}`},
		{"pids", `{"pids":{"limit":7}}`},
		{"hugetlb", `{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}`},
	} {
		if !h.HasV1(c.controller) && !(h.IsV2Only() && h.HasV2(c.controller)) {
			t.Logf("controller %s is not here: %s not tried", c.controller, c.json)
			continue
		}
		r := parseResources(t, c.json)
		values, err := resources.CompileLimits(h, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(resources.Apply(ours, values), resources.ApplyLate(ours, values)); err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if err := updateWithLibrary(h, theirs, r); err != nil {
			t.Errorf("%s: the library: %v", c.json, err)
			continue
		}
		for _, v := range values {
			if v.Optional {
				continue // such as reservations of huge pages, which the library does not limit
			}
			compareFile(t, c.json, v.Path(ours), v.Path(theirs))
		}
	}
	for _, controller := range []string{"memory", "cpu", "pids", ""} {
		compareLimits(t, ours.Paths()[controller], theirs.Paths()[controller])
	}
}

// updateWithLibrary writes limits with the library's manager.
func updateWithLibrary(h *host.Host, g *group.Group, r *specs.LinuxResources) error {
	if h.IsV2Only() {
		dir := g.V2Directory()
		m, err := cgroup2.Load("/"+filepath.Base(dir), cgroup2.WithMountpoint(filepath.Dir(dir)))
		if err != nil {
			return err
		}
		return m.Update(cgroup2.ToResources(r))
	}
	list := []cgroup1.Subsystem{cgroup1.NewMemory("/"), cgroup1.NewCpu("/"), cgroup1.NewPids("/")}
	m, err := cgroup1.Load(libraryPath(g.Paths()), cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return list, nil }))
	if err != nil {
		return err
	}
	return m.Update(r)
}

var limitSuffixes = []string{
	".limit_in_bytes", ".soft_limit_in_bytes", ".cfs_quota_us", ".cfs_period_us", ".shares", ".max", ".low", ".weight",
}

// compareLimits compares all files of two directories whose names are those of limits.
func compareLimits(t *testing.T, ours, theirs string) {
	t.Helper()
	entries, err := os.ReadDir(ours)
	if err != nil {
		return // the host does not have the controller
	}
	for _, e := range entries {
		for _, suffix := range limitSuffixes {
			if strings.HasSuffix(e.Name(), suffix) && !strings.Contains(e.Name(), ".rsvd.") {
				compareFile(t, "after all updates", ours+"/"+e.Name(), theirs+"/"+e.Name())
			}
		}
	}
}

func compareFile(t *testing.T, update, ours, theirs string) {
	t.Helper()
	a, err := cgroupfs.ReadText(ours)
	if cgroupfs.IsGone(err) {
		return // an optional file
	}
	b, err2 := cgroupfs.ReadText(theirs)
	if err := errors.Join(err, err2); err != nil {
		t.Errorf("%s: %v", update, err)
	} else if a != b {
		t.Errorf("%s: %s is %q, with the library %q", update, filepath.Base(ours), a, b)
	}
}
