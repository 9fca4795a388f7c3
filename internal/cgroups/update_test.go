package cgroups_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

// TestUpdate: only the given settings change. An error names the value, and says that it was an
// update.
func TestUpdate(t *testing.T) {
	h, g := newGroup(t)
	startInGroup(t, g, "sleep", "100")
	g = group.OpenOn(h, g.Paths())
	if !h.HasV1("memory") || !h.HasV1("pids") || !h.HasV1("cpu") {
		t.Skip("needs v1 controllers memory, pids and cpu; TestUpdateV2 is for v2")
	}
	read := func(controller, file string) string {
		s, err := cgroupfs.ReadText(g.Paths()[controller] + "/" + file)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct{ json, want string }{
		{`{"memory":{"limit":67108864,"swap":134217728},"pids":{"limit":20},"cpu":{"quota":20000,"period":100000}}`, "67108864 134217728 20 20000 100000"},
		{`{"memory":{"limit":0},"pids":{}}`, "67108864 134217728 20 20000 100000"},
		{`{"memory":{"limit":33554432}}`, "33554432 134217728 20 20000 100000"},
		{`{"memory":{"limit":268435456,"swap":536870912}}`, "268435456 536870912 20 20000 100000"},
		{`{"cpu":{"period":50000}}`, "268435456 536870912 20 20000 50000"},
		{`{"memory":{"swap":-1},"pids":{"limit":-1},"cpu":{"quota":-1}}`, "268435456 9223372036854771712 max -1 50000"},
		{`{"memory":{"limit":-1}}`, "9223372036854771712 9223372036854771712 max -1 50000"},
	} {
		if _, err := resources.Update(g, h, parseResources(t, c.json)); err != nil {
			t.Fatalf("%s: %v", c.json, err)
		}
		got := strings.Join([]string{read("memory", "memory.limit_in_bytes"), read("memory", "memory.memsw.limit_in_bytes"),
			read("pids", "pids.max"), read("cpu", "cpu.cfs_quota_us"), read("cpu", "cpu.cfs_period_us")}, " ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.json, got, c.want)
		}
	}
	_, err := resources.Update(g, h, parseResources(t, `{"memory":{"limit":4096}}`))
	if err == nil || !strings.HasPrefix(err.Error(), "update: memory.limit: ") {
		t.Errorf("a limit below what is used: %v", err)
	}
}

// TestUpdateV2 does the same on a host that only has v2.
func TestUpdateV2(t *testing.T) {
	h, g := newV2Group(t)
	if !h.HasV2("cpu") || !h.HasV2("memory") {
		t.Skip("needs the controllers cpu and memory")
	}
	g = group.OpenOn(h, g.Paths())
	dir := g.Paths()[""]
	for _, c := range []struct{ json, file, want string }{
		{`{"cpu":{"quota":20000,"period":100000}}`, "cpu.max", "20000 100000"},
		{`{"cpu":{"period":50000}}`, "cpu.max", "20000 50000"},
		{`{"cpu":{"quota":-1}}`, "cpu.max", "max 50000"},
		{`{"memory":{"limit":67108864}}`, "memory.max", "67108864"},
		{`{"memory":{"swap":134217728}}`, "memory.swap.max", "67108864"},
	} {
		if _, err := os.Stat(filepath.Join(dir, c.file)); err != nil {
			t.Logf("%s is not here: %s not tried", c.file, c.json)
			continue
		}
		if _, err := resources.Update(g, h, parseResources(t, c.json)); err != nil {
			t.Errorf("%s: %v", c.json, err)
		}
		if got, err := cgroupfs.ReadText(dir + "/" + c.file); err != nil || got != c.want {
			t.Errorf("%s: %s is %q, %v; want %q", c.json, c.file, got, err, c.want)
		}
	}
}

// TestFailedUpdateChangesNothing: the kernel refuses the last of many values.
func TestFailedUpdateChangesNothing(t *testing.T) {
	h, g := newGroup(t)
	startInGroup(t, g, "sleep", "100")
	g = group.OpenOn(h, g.Paths())
	if !h.HasV1("memory") || !h.HasV1("pids") || !h.HasV1("cpu") || !h.HasV1("cpuset") {
		t.Skip("needs v1 controllers; tests/e2e has the same for v2")
	}
	files := [][2]string{
		{"memory", "memory.limit_in_bytes"}, {"memory", "memory.memsw.limit_in_bytes"}, {"memory", "memory.swappiness"}, {"memory", "memory.oom_control"},
		{"cpu", "cpu.shares"}, {"cpu", "cpu.idle"}, {"cpu", "cpu.cfs_quota_us"}, {"cpu", "cpu.cfs_period_us"}, {"cpu", "cpu.cfs_burst_us"},
		{"cpuset", "cpuset.cpus"}, {"cpuset", "cpuset.mems"}, {"pids", "pids.max"}, {"devices", "devices.list"},
	}
	all := func() (text string) {
		for _, f := range files {
			s, err := cgroupfs.ReadText(g.Paths()[f[0]] + "/" + f[1])
			if err != nil {
				t.Fatal(err)
			}
			text += f[1] + " " + s + "\n"
		}
		return text
	}
	const before = `{"memory":{"limit":67108864,"swap":134217728},"pids":{"limit":20},"cpu":{"quota":20000,"period":100000,"shares":300},"devices":[{"allow":false,"access":"rwm"}]}`
	if _, err := resources.Update(g, h, parseResources(t, before)); err != nil {
		t.Fatal(err)
	}
	want := all()
	for _, update := range []string{
		`{"memory":{"limit":268435456,"swap":536870912,"swappiness":5,"disableOOMKiller":true},"cpu":{"quota":900000,"period":1000000,"burst":800000,"cpus":"4000"}}`,
		`{"memory":{"limit":33554432,"swap":33554432},"cpu":{"quota":2000,"period":5000,"shares":77,"mems":"0","cpus":"4000"}}`,
		`{"cpu":{"idle":1,"mems":"900"}}`,
		`{"pids":{"limit":7},"cpu":{"shares":700},"blockIO":{"throttleReadBpsDevice":[{"major":4000,"minor":0,"rate":1}]}}`,
		`{"memory":{"swap":-1},"pids":{"limit":7},"blockIO":{"leafWeight":100}}`,
	} {
		_, err := resources.Update(g, h, parseResources(t, update))
		if err == nil || !strings.HasPrefix(err.Error(), "update: ") || strings.Contains(err.Error(), "bring the old") {
			t.Errorf("%s: %v", update, err)
		}
		if got := all(); got != want {
			t.Fatalf("%s: %v\n%swant\n%s", update, err, got, want)
		}
	}
	old, err := resources.Update(g, h, parseResources(t, `{"memory":{"limit":268435456,"swap":536870912},"pids":{"limit":7},"cpu":{"idle":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := resources.Restore(g, old); err != nil || all() != want {
		t.Errorf("%v\n%swant\n%s", err, all(), want)
	}
}
