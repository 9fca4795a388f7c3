package cgroups

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func resourcesJSON(t *testing.T, text string) *specs.LinuxResources {
	t.Helper()
	r := &specs.LinuxResources{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// writes formats the values that are written as "file=value" in one line.
func writes(values []Value) string {
	var s []string
	for _, v := range values {
		s = append(s, v.File+"="+v.Value)
	}
	return strings.Join(s, " ")
}

func TestCompileUpdate(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	period := uint64(50000)
	for _, c := range []struct {
		host, json string
		now        setting
		want       string
	}{
		{"v1 v2", `{}`, setting{}, ""},
		{"v1 v2", `{"devices":[],"memory":{},"cpu":{},"blockIO":{}}`, setting{}, ""},
		// Engines send these values for settings that are not given.
		{"v1 v2", `{"memory":{"limit":0,"swap":0,"reservation":0},"cpu":{"shares":0,"quota":0,"period":0,"cpus":"","mems":""},"blockIO":{"weight":0}}`, setting{}, ""},
		{"v1 v2", `{"pids":{"limit":0}}`, setting{}, "pids.max=1"},
		{"v1 v2", `{"pids":{"limit":-9}}`, setting{}, "pids.max=max"},
		{"v1", `{"cpu":{"quota":-9}}`, setting{}, "cpu.cfs_quota_us=-1"},
		{"v2", `{"cpu":{"quota":-9}}`, setting{}, "cpu.max=max"},
		{"v1 v2", `{"memory":{"kernel":4096,"swappiness":18446744073709551615,"useHierarchy":false}}`, setting{}, ""},
		{"v1", `{"pids":{"limit":-1}}`, setting{}, "pids.max=max"},
		{"v1", `{"memory":{"swap":8192}}`, setting{}, "memory.memsw.limit_in_bytes=8192"},
		{"v1", `{"cpu":{"period":5000}}`, setting{}, "cpu.cfs_period_us=5000"},
		{"v1", `{"cpu":{"burst":0}}`, setting{}, "cpu.cfs_burst_us=0"},
		{"v2", `{"cpu":{"burst":0}}`, setting{}, "cpu.max.burst=0"},
		{"bare", `{"cpu":{"burst":0}}`, setting{}, ""},
		// v2 has one file for two values of config.json.
		{"v2", `{"cpu":{"period":5000}}`, setting{quota: number(2000)}, "cpu.max=2000 5000"},
		{"v2", `{"cpu":{"period":5000}}`, setting{quota: number(-1)}, "cpu.max=max 5000"},
		{"v2", `{"cpu":{"quota":5000}}`, setting{}, "cpu.max=5000"},
		{"v2", `{"cpu":{"quota":5000}}`, setting{period: &period}, "cpu.max=5000 50000"},
		{"v2", `{"memory":{"swap":8192}}`, setting{memory: number(4096)}, "memory.swap.max=4096"},
		{"v2", `{"memory":{"swap":8192,"reservation":100}}`, setting{memory: number(4096)}, "memory.low=100 memory.swap.max=4096"},
		{"v2", `{"memory":{"swap":-1}}`, setting{}, "memory.swap.max=max"},
		{"v2", `{"memory":{"swap":8192}}`, setting{memory: number(-1)}, "error: linux.resources.memory.swap"},
		{"v2", `{"memory":{"swap":8192}}`, setting{memory: number(9000)}, "error: linux.resources.memory.swap"},
		{"bare", `{"memory":{"limit":8192}}`, setting{}, "error: linux.resources.memory.limit"},
		{"bare", `{"devices":[{"allow":true,"access":"rw","type":"c","major":1}]}`, setting{}, "error: linux.resources.devices"},
	} {
		for host := range strings.FieldsSeq(c.host) {
			values, rules, err := compileUpdate(hosts()[host], resourcesJSON(t, c.json), c.now)
			got := writes(values)
			var e *Error
			if errors.As(err, &e) {
				got = "error: " + e.Path
			} else if rules != nil {
				t.Errorf("%s: %s: rules for devices out of nothing", host, c.json)
			}
			if got != c.want {
				t.Errorf("%s: %s: %s, want %s (%v)", host, c.json, got, c.want, err)
			}
		}
	}
}

func TestDeviceChanges(t *testing.T) {
	const list = "c *:* m\nb *:* m\nc 1:3 rwm\nc 5:2 rw\n"
	if got := writes(deviceChanges(list, listed(list))); got != "" { // how a failed update is rolled back
		t.Errorf("to itself: %q", got)
	}
	if got := writes(deviceChanges("c *:* m\nc 1:3 r\nc 7:7 w\n", listed(list))); got != "devices.allow=b *:* m devices.allow=c 1:3 wm devices.allow=c 5:2 rw devices.deny=c 7:7 w" {
		t.Errorf("back: %q", got)
	}
	for _, c := range []struct{ want, changes string }{
		{"c *:* m,b *:* m,c 1:3 rwm,c 5:2 rw", ""},
		{"c *:* m,b *:* m,c 1:3 rwm", "devices.deny=c 5:2 rw"},
		{"c *:* m,b *:* m,c 1:3 rwm,c 5:2 rwm,c 1:8 r", "devices.allow=c 5:2 m devices.allow=c 1:8 r"},
		{"c *:* m,b *:* m,c 1:3 r,c 5:2 wm", "devices.allow=c 5:2 m devices.deny=c 1:3 wm devices.deny=c 5:2 r"},
	} {
		var want []exception
		for line := range strings.SplitSeq(c.want, ",") {
			var kind byte
			var number, letters string
			if _, err := fmt.Sscanf(line, "%c %s %s", &kind, &number, &letters); err != nil {
				t.Fatal(err)
			}
			d := devices{block: kind == 'b', major: anyNum, minor: anyNum}
			_, _ = fmt.Sscanf(number, "%d:%d", &d.major, &d.minor) // *:* stays any
			want = append(want, exception{devices: d, access: accessOf(letters)})
		}
		if got := writes(deviceChanges(list, want)); got != c.changes {
			t.Errorf("to %s: %q, want %q", c.want, got, c.changes)
		}
	}
}

// TestUpdate: only the given settings change. An error names the value, and says that it was an
// update.
func TestUpdate(t *testing.T) {
	h, g := realGroup(t)
	startInGroup(t, g, "sleep", "100")
	g = h.Open(g.Paths())
	if !h.has("memory") || !h.has("pids") || !h.has("cpu") {
		t.Skip("needs v1 controllers memory, pids and cpu; TestUpdateV2 is for v2")
	}
	read := func(controller, file string) string {
		s, err := readText(g.Paths()[controller] + "/" + file)
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
		if _, err := g.Update(h, resourcesJSON(t, c.json)); err != nil {
			t.Fatalf("%s: %v", c.json, err)
		}
		got := strings.Join([]string{read("memory", "memory.limit_in_bytes"), read("memory", "memory.memsw.limit_in_bytes"),
			read("pids", "pids.max"), read("cpu", "cpu.cfs_quota_us"), read("cpu", "cpu.cfs_period_us")}, " ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.json, got, c.want)
		}
	}
	_, err := g.Update(h, resourcesJSON(t, `{"memory":{"limit":4096}}`))
	if err == nil || !strings.HasPrefix(err.Error(), "update: memory.limit: ") {
		t.Errorf("a limit below what is used: %v", err)
	}
}

// TestUpdateV2 does the same on a host that only has v2.
func TestUpdateV2(t *testing.T) {
	h, g := pureV2(t)
	if !h.v2("cpu") || !h.v2("memory") {
		t.Skip("needs the controllers cpu and memory")
	}
	g = h.Open(g.Paths())
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
		if _, err := g.Update(h, resourcesJSON(t, c.json)); err != nil {
			t.Errorf("%s: %v", c.json, err)
		}
		if got, err := readText(dir + "/" + c.file); err != nil || got != c.want {
			t.Errorf("%s: %s is %q, %v; want %q", c.json, c.file, got, err, c.want)
		}
	}
}

// TestUpdateDevices: while rules are replaced repeatedly, including by rules with a different
// default, a process can always open a device that all of them allow.
func TestUpdateDevices(t *testing.T) {
	h, g := realGroup(t)
	if !h.has("devices") {
		t.Skip("no v1 controller devices")
	}
	// Only shell built-ins: the only file that it opens is /dev/zero.
	failed := filepath.Join(t.TempDir(), "failed")
	cmd := startInGroup(t, g, "sh", "-c", "while :; do true </dev/zero || echo no >> "+failed+"; done")
	g = h.Open(g.Paths())
	documents := []string{
		`{"devices":[{"allow":false,"access":"rwm"}]}`,
		`{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}`,
		`{"devices":[{"allow":true,"access":"rwm"}]}`,
		`{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]}`,
	}
	lists := []string{"c 1:3 rwm", "c 1:11 r", "a *:* rwm", "a *:* rwm"}
	for i := range 1000 {
		n := i * 7 % len(documents) // covers all pairs of successive documents
		if i%2 == 1 {
			n = i % len(documents)
		}
		if _, err := g.Update(h, resourcesJSON(t, documents[n])); err != nil {
			t.Fatalf("%s: %v", documents[n], err)
		}
		list, err := readText(g.Paths()["devices"] + "/devices.list")
		if err != nil || !strings.Contains(list, lists[n]) {
			t.Fatalf("%s: devices.list says %q, %v", documents[n], list, err)
		}
	}
	if s, err := g.State(); s != Thawed || err != nil {
		t.Errorf("the group is left %v, %v", s, err)
	}
	time.Sleep(10 * time.Millisecond)
	if text, err := os.ReadFile(failed); err == nil {
		t.Errorf("%d times /dev/zero could not be opened", len(text)/3)
	}
	if pids, err := g.Procs(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("the process has ended: %v, %v", pids, err)
	}
}

func TestPaused(t *testing.T) {
	_, g := realGroup(t)
	startInGroup(t, g, "sleep", "100")
	check := func(want bool) {
		t.Helper()
		if got, err := g.Paused(); got != want || err != nil {
			t.Errorf("paused %v, %v; want %v", got, err, want)
		}
	}
	check(false)
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(true)
	if err := g.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(false)
	if err := g.Delete(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	check(false)
}
