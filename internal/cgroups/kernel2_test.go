package cgroups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pureV2 skips the test unless the host only has cgroup v2 (here, a virtual machine).
func pureV2(t *testing.T) (*Host, *Group) {
	t.Helper()
	h, g := realGroup(t)
	if h.Mode != V2 {
		t.Skipf("this host is %v; the test needs cgroup v2 alone", h.Mode)
	}
	return h, g
}

func TestApplyV2(t *testing.T) {
	h, g := pureV2(t)
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
		if !h.v2(c.needs) {
			t.Logf("controller %s is not here: %s not tried", c.needs, c.json)
			continue
		}
		values := compileJSON(t, h, c.json)
		if err := errors.Join(g.Apply(values), g.ApplyLate(values)); err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if got, err := readText(dir + "/" + c.file); err != nil || got != c.want {
			t.Errorf("%s: %s is %q, %v; want %q", c.json, c.file, got, err, c.want)
		}
	}
	if h.v2("memory") {
		startInGroup(t, g, "sleep", "100")
		err := g.Apply(compileJSON(t, h, `{"memory":{"limit":4096,"checkBeforeUpdate":true}}`))
		if err == nil || !strings.Contains(err.Error(), "bytes are in use") {
			t.Errorf("a limit below what is used: %v", err)
		}
		err = g.Apply(compileJSON(t, h, `{"unified":{"memory.nosuch":"1"}}`))
		if err == nil || !strings.Contains(err.Error(), "linux.resources.unified.memory.nosuch") {
			t.Errorf("a file that is not there: %v", err)
		}
	}
}

// TestNoInternalProcesses: a parent with processes cannot enable controllers for its children.
func TestNoInternalProcesses(t *testing.T) {
	h, g := pureV2(t)
	if !h.v2("pids") || !h.v2("memory") {
		t.Skip("no memory controller")
	}
	startInGroup(t, g, "sleep", "100")
	child := h.Group("/" + filepath.Base(g.Paths()[""]) + "/child")
	if err := child.Create(); err != nil {
		t.Fatal(err)
	}
	defer child.Delete(time.Second)
	err := child.Apply(compileJSON(t, h, `{"memory":{"limit":33554432}}`))
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "no internal processes") {
		t.Errorf("%v", err)
	}
}

func TestDelegate(t *testing.T) {
	_, g := pureV2(t)
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
	h, g := realGroup(t)
	if !h.has("pids") && !h.v2("pids") {
		t.Skip("no pids controller")
	}
	values := compileJSON(t, h, `{"pids":{"limit":1}}`)
	if err := g.Apply(values); err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%s/minirun-test-pids", t.TempDir())
	cmd := startInGroup(t, g, "sh", "-c", "while ! [ -e "+out+".go ]; do :; done; /bin/true; echo $? > "+out)
	if err := g.ApplyLate(values); err != nil {
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
