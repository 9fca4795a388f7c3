package cgroups_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

func TestApplyV2(t *testing.T) {
	h, g := newV2Group(t)
	dir := g.Paths()[""]
	for _, c := range []struct{ needs, json, file, want string }{
		{"memory", `{"memory":{"limit":33554432,"reservation":16777216,"swap":67108864,"checkBeforeUpdate":true}}`, "memory.max", "33554432"},
		{"memory", `{"memory":{"limit":33554432,"swap":-1}}`, "memory.low", "16777216"},
		{"memory", `{"memory":{"limit":-1}}`, "memory.max", "max"},
		{"cpu", `{"cpu":{"shares":1024,"quota":50000,"period":100000,"burst":20000}}`, "cpu.max", "50000 100000"},
		{"cpu", `{"cpu":{"shares":512,"quota":5000,"period":10000,"burst":5000}}`, "cpu.weight", "59"},
		{"cpu", `{"cpu":{"quota":-1,"idle":1}}`, "cpu.max", "max 10000"},
		{"cpu", `{"cpu":{"idle":0,"shares":2}}`, "cpu.weight", "1"},
		{"cpu", `{"cpu":{"period":20000}}`, "cpu.max", "max 20000"},
		{"cpuset", `{"cpu":{"cpus":"0","mems":"0"}}`, "cpuset.cpus", "0"},
		{"pids", `{"pids":{"limit":7}}`, "pids.max", "7"},
		{"pids", `{"pids":{"limit":-1}}`, "pids.max", "max"},
		{"pids", `{"unified":{"pids.max":"9"}}`, "pids.max", "9"},
		{"memory", `{"unified":{"memory.high":"1M","memory.max":"2M","cgroup.max.depth":"3"}}`, "memory.high", "1048576"},
	} {
		if !h.HasV2(c.needs) {
			t.Logf("controller %s is not here: %s not tried", c.needs, c.json)
			continue
		}
		values := compile(t, h, c.json)
		if err := errors.Join(resources.Apply(g, values), resources.ApplyLate(g, values)); err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if got, err := cgroupfs.ReadText(dir + "/" + c.file); err != nil || got != c.want {
			t.Errorf("%s: %s is %q, %v; want %q", c.json, c.file, got, err, c.want)
		}
	}
	if h.HasV2("memory") {
		startInGroup(t, g, "sleep", "100")
		err := resources.Apply(g, compile(t, h, `{"memory":{"limit":4096,"checkBeforeUpdate":true}}`))
		if err == nil || !strings.Contains(err.Error(), "bytes are in use") {
			t.Errorf("a limit below what is used: %v", err)
		}
		err = resources.Apply(g, compile(t, h, `{"unified":{"memory.nosuch":"1"}}`))
		if err == nil || !strings.Contains(err.Error(), "linux.resources.unified.memory.nosuch") {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}

// TestNoInternalProcesses: a parent with processes cannot enable controllers for its children.
func TestNoInternalProcesses(t *testing.T) {
	h, g := newV2Group(t)
	if !h.HasV2("pids") || !h.HasV2("memory") {
		t.Skip("no memory controller")
	}
	startInGroup(t, g, "sleep", "100")
	child := group.New(h, "/"+filepath.Base(g.Paths()[""])+"/child")
	if err := child.Create(); err != nil {
		t.Fatal(err)
	}
	defer child.Delete(time.Second)
	err := resources.Apply(child, compile(t, h, `{"memory":{"limit":33554432}}`))
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "no internal processes") {
		t.Errorf("%v", err)
	}
}

func TestDelegate(t *testing.T) {
	_, g := newV2Group(t)
	if err := g.Delegate(1234); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]uint32{"": 1234, "cgroup.procs": 1234, "cgroup.subtree_control": 1234, "cgroup.freeze": 0} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(g.Paths()[""], file), &st); err != nil || st.Uid != want {
			t.Errorf("%q belongs to %d, %v; want %d", file, st.Uid, err, want)
		}
	}
}

// TestPidsLimitOne: the limit is applied Late, so the container's first process starts.
func TestPidsLimitOne(t *testing.T) {
	h, g := newGroup(t)
	if !h.HasV1("pids") && !h.HasV2("pids") {
		t.Skip("no pids controller")
	}
	values := compile(t, h, `{"pids":{"limit":1}}`)
	if err := resources.Apply(g, values); err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%s/minirun-test-pids", t.TempDir())
	cmd := startInGroup(t, g, "sh", "-c", "while ! [ -e "+out+".go ]; do :; done; /bin/true; echo $? > "+out)
	if err := resources.ApplyLate(g, values); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out+".go", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() // sh cannot fork, so it exits or $? shows the error
	if b, _ := os.ReadFile(out); strings.TrimSpace(string(b)) == "0" {
		t.Error("a second process ran under a limit of 1")
	}
}
