package cgroups

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write the golden files anew")

// hosts returns the three kinds of host, modelled on real ones.
func hosts() map[string]*Host {
	v1 := func(names ...string) (l []Hierarchy) {
		for _, n := range names {
			l = append(l, Hierarchy{Controllers: strings.Split(n, ","), Mount: cgroupRoot + "/" + strings.TrimPrefix(n, "name="), Root: "/", Own: "/own"})
		}
		return l
	}
	all := v1("name=systemd", "cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls", "net_prio", "rdma")
	return map[string]*Host{
		"v1":     {Mode: V1, V1: all},
		"hybrid": {Mode: Hybrid, V1: all[:8], V2: &Hierarchy{Controllers: []string{"hugetlb"}, Mount: cgroupRoot + "/unified", Root: "/", Own: "/own"}},
		"v2":     {Mode: V2, V2: &Hierarchy{Controllers: strings.Fields("cpuset cpu io memory hugetlb pids rdma misc"), Mount: cgroupRoot, Root: "/", Own: "/own/me"}},
		"bare":   {Mode: V1, V1: v1("name=systemd")},
	}
}

func render(values []Value) string {
	var b strings.Builder
	for _, v := range values {
		for or, p := "", &v; p != nil; or, p = "  or ", p.Or {
			fmt.Fprintf(&b, "%s%s = %q", or, p.File, p.Value)
			if or == "" {
				fmt.Fprintf(&b, " [%s %s]", map[bool]string{true: "v2"}[p.V2]+p.Controller, p.Source)
			}
			fmt.Fprintf(&b, " verify=%d", p.Verify)
			for flag, on := range map[string]bool{" late": p.Late} {
				if on {
					b.WriteString(flag)
				}
			}
			if p.Optional {
				b.WriteString(" optional")
			}
			if p.SwapNext {
				b.WriteString(" swapnext")
			}
			if p.Ceiling != "" {
				b.WriteString(" ceiling=" + p.Ceiling)
			}
			if p.Program != nil {
				fmt.Fprintf(&b, " program=%d", len(p.Program))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// TestCompileGolden compiles each testdata/*.json for each kind of host.
func TestCompileGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.json")
	if len(files) < 5 {
		t.Fatalf("only %d test cases found", len(files))
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var r *specs.LinuxResources
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		var got strings.Builder
		for _, name := range []string{"v1", "hybrid", "v2", "bare"} {
			fmt.Fprintf(&got, "== %s\n", name)
			values, err := Compile(hosts()[name], r)
			if err != nil {
				fmt.Fprintf(&got, "error: %v\n", err)
			}
			got.WriteString(render(values))
		}
		golden := strings.TrimSuffix(file, ".json") + ".golden"
		if *update {
			os.WriteFile(golden, []byte(got.String()), 0o644)
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s differs; got:\n%s", golden, got.String())
		}
	}
}

// TestCompileRefuses: each of these must fail, and the error names its JSON path.
func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct{ hosts, json, path string }{
		{"v1 hybrid v2", `{"memory":{"limit":-2}}`, "memory.limit"},
		{"v1 hybrid v2", `{"memory":{"limit":8192,"swap":4096}}`, "memory.swap"},
		{"v2", `{"memory":{"swap":4096}}`, "memory.swap"},
		{"v2", `{"memory":{"limit":-1,"swap":4096}}`, "memory.swap"},
		{"v2", `{"memory":{"kernelTCP":4096}}`, "memory.kernelTCP"},
		{"v2", `{"memory":{"swappiness":1}}`, "memory.swappiness"},
		{"v1 v2", `{"memory":{"swappiness":101}}`, "memory.swappiness"},
		{"v2", `{"memory":{"disableOOMKiller":true}}`, "memory.disableOOMKiller"},
		{"bare", `{"memory":{"limit":4096}}`, "memory.limit"},
		{"bare", `{"memory":{"reservation":4096}}`, "memory.reservation"},
		{"bare", `{"memory":{"swap":-1}}`, "memory.swap"},
		{"bare", `{"memory":{"swappiness":10}}`, "memory.swappiness"},
		{"bare", `{"memory":{"kernelTCP":4096}}`, "memory.kernelTCP"},
		{"v1 v2", `{"cpu":{"shares":1}}`, "cpu.shares"},
		{"v1 v2", `{"cpu":{"shares":262145}}`, "cpu.shares"},
		{"v1 v2", `{"cpu":{"quota":1000,"burst":1001}}`, "cpu.burst"},
		{"v1 v2", `{"cpu":{"idle":2}}`, "cpu.idle"},
		{"v1 v2", `{"cpu":{"cpus":"0-"}}`, "cpu.cpus"},
		{"v1 v2", `{"cpu":{"mems":"x"}}`, "cpu.mems"},
		{"v2", `{"cpu":{"realtimeRuntime":1000}}`, "cpu.realtimeRuntime"},
		{"v2", `{"cpu":{"realtimePeriod":1000}}`, "cpu.realtimePeriod"},
		{"bare", `{"cpu":{"shares":2}}`, "cpu.shares"},
		{"bare", `{"cpu":{"quota":2000}}`, "cpu.quota"},
		{"bare", `{"cpu":{"period":2000}}`, "cpu.period"},
		{"bare", `{"cpu":{"cpus":"0"}}`, "cpu.cpus"},
		{"bare", `{"cpu":{"idle":1}}`, "cpu.idle"},
		{"bare", `{"pids":{"limit":0}}`, "pids.limit"},
		{"bare", `{"devices":[{"allow":true,"access":"r"}]}`, "devices"},
		{"v1 v2", `{"devices":[{"allow":true,"access":"rw"},{"allow":true,"type":"u","access":"r"}]}`, "devices[1].type"},
		{"v1 v2", `{"devices":[{"allow":true,"type":"c"}]}`, "devices[0].access"},
		{"v1 v2", `{"devices":[{"allow":true,"type":"c","access":"xa"}]}`, "devices[0].access"},
		{"v1 v2", `{"devices":[{"allow":true,"type":"c","major":4294967296,"access":"r"}]}`, "devices[0].major"},
		{"v1 v2", `{"devices":[{"allow":true,"type":"c","minor":-2,"access":"r"}]}`, "devices[0].minor"},
		{"v1", `{"devices":[{"allow":true,"type":"c","major":9,"access":"rw"},{"allow":false,"type":"c","major":9,"minor":9,"access":"w"}]}`, "devices[1]"},
		{"v1 v2", `{"blockIO":{"weight":9}}`, "blockIO.weight"},
		{"v1 v2", `{"blockIO":{"weight":1001}}`, "blockIO.weight"},
		{"v2", `{"blockIO":{"leafWeight":10}}`, "blockIO.leafWeight"},
		{"v1 v2", `{"blockIO":{"weightDevice":[{"major":8,"minor":0}]}}`, "blockIO.weightDevice[0]"},
		{"v2", `{"blockIO":{"weightDevice":[{"major":8,"minor":0,"leafWeight":10}]}}`, "blockIO.weightDevice[0].leafWeight"},
		{"bare", `{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}]}}`, "blockIO.throttleReadBpsDevice[0].rate"},
		{"v1 v2", `{"blockIO":{"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":1},{"major":-8,"minor":0,"rate":1}]}}`, "blockIO.throttleWriteIOPSDevice[1]"},
		{"bare", `{"hugepageLimits":[{"pageSize":"2MB","limit":0}]}`, "hugepageLimits[0].limit"},
		{"v1 v2", `{"hugepageLimits":[{"pageSize":"../x","limit":0}]}`, "hugepageLimits[0].pageSize"},
		{"v1 v2", `{"hugepageLimits":[{"pageSize":"2M","limit":0}]}`, "hugepageLimits[0].pageSize"},
		{"hybrid bare v2", `{"network":{"classID":1}}`, "network.classID"},
		{"hybrid bare v2", `{"network":{"priorities":[{"name":"lo","priority":1}]}}`, "network.priorities[0]"},
		{"v1", `{"network":{"priorities":[{"name":"l o","priority":1}]}}`, "network.priorities[0].name"},
		{"hybrid bare", `{"rdma":{"mlx5_1":{"hcaHandles":1}}}`, "rdma.mlx5_1"},
		{"v1 v2", `{"rdma":{"mlx5_1":{}}}`, "rdma.mlx5_1"},
		{"v1 hybrid bare", `{"unified":{"pids.max":"1"}}`, "unified.pids.max"},
		{"v2", `{"unified":{"../x.y":"1"}}`, "unified.../x.y"},
		{"v2", `{"unified":{"nosuch.max":"1"}}`, "unified.nosuch.max"},
		{"v2", `{"unified":{"cgroup.procs":"1"}}`, "unified.cgroup.procs"},
	} {
		var r specs.LinuxResources
		if err := json.Unmarshal([]byte(c.json), &r); err != nil {
			t.Fatalf("%s: %v", c.json, err)
		}
		for name := range strings.FieldsSeq(c.hosts) {
			values, err := Compile(hosts()[name], &r)
			if err == nil || !strings.HasPrefix(err.Error(), "config.json: linux.resources."+c.path+": ") {
				t.Errorf("%s on %s: error %v, want one at %s", c.json, name, err, c.path)
			}
			if values != nil {
				t.Errorf("%s on %s: values beside the error", c.json, name)
			}
		}
	}
}

// TestNothingIgnored removes settings one by one from a full set of resources. Each must change the
// result, or it was ignored.
func TestNothingIgnored(t *testing.T) {
	full, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	outcome := func(h *Host, tree any) string {
		b, _ := json.Marshal(tree)
		var r specs.LinuxResources
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		values, err := Compile(h, &r)
		return render(values) + fmt.Sprint(err)
	}
	for name, h := range map[string]*Host{"v1": hosts()["v1"], "v2": hosts()["v2"]} {
		var tree map[string]any
		json.Unmarshal(full, &tree)
		if name == "v1" {
			delete(tree, "unified")
		} else { // settings that v2 refuses are in TestCompileRefuses
			m, c := tree["memory"].(map[string]any), tree["cpu"].(map[string]any)
			for _, k := range []string{"kernel", "kernelTCP", "swappiness", "disableOOMKiller", "useHierarchy"} {
				delete(m, k)
			}
			m["checkBeforeUpdate"] = true
			delete(c, "realtimeRuntime")
			delete(c, "realtimePeriod")
			delete(tree, "network")
			b := tree["blockIO"].(map[string]any)
			delete(b, "leafWeight")
			delete(b["weightDevice"].([]any)[0].(map[string]any), "leafWeight")
		}
		before := outcome(h, tree)
		if !strings.HasSuffix(before, "<nil>") {
			t.Fatalf("%s: %s", name, before)
		}
		n := 0
		for section, v := range tree {
			m, ok := v.(map[string]any)
			if !ok {
				continue
			}
			for key, old := range m {
				if name == "v1" && key == "checkBeforeUpdate" {
					continue // the v1 kernel always behaves like this
				}
				if key == "kernel" {
					continue // internal/spec warns about it
				}
				delete(m, key)
				if outcome(h, tree) == before {
					t.Errorf("%s: %s.%s is ignored", name, section, key)
				}
				m[key] = old
				n++
			}
		}
		if n < 15 {
			t.Errorf("%s: only %d settings tried", name, n)
		}
	}
}

func TestWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{2: 1, 1024: 100, 262144: 10000, 512: 59, 2048: 174} {
		if got := weight(shares); got != want {
			t.Errorf("weight(%d) = %d, want %d", shares, got, want)
		}
	}
	last := uint64(0)
	for s := uint64(2); s <= maxShares; s++ {
		w := weight(s)
		if w < last || w < 1 || w > 10000 {
			t.Fatalf("weight(%d) = %d after %d", s, w, last)
		}
		last = w
	}
}

func TestHolds(t *testing.T) {
	for _, c := range []struct {
		verify    Verify
		want, got string
		holds     bool
	}{
		{VerifyText, "5", "5\n", true}, {VerifyText, "5", "50\n", false},
		{VerifyBytes, "5000", "4096\n", true}, {VerifyBytes, "5000", "8192\n", false},
		{VerifyBytes, "-1", "9223372036854771712\n", true}, {VerifyBytes, "max", "max\n", true},
		{VerifyBytes, "9223372036854775807", "9223372036854771712\n", true}, {VerifyBytes, "1G", "1073741824\n", true},
		{VerifyBytes, "4096", "max\n", false}, {VerifyBytes, "-1", "4096\n", false},
		{VerifyList, "0,1,2", "0-2\n", true}, {VerifyList, "0-3", "0-2\n", false}, {VerifyList, "0", "\n", false},
		{VerifyPrefix, "max", "max 100000\n", true}, {VerifyPrefix, "50 100", "50 1000\n", false}, {VerifyPrefix, "50", "max 100\n", false},
		{VerifyDefault, "100", "default 100\n8:0 7\n", true}, {VerifyDefault, "100", "100\n", true}, {VerifyDefault, "100", "10\n", false},
		{VerifyLine, "8:0 5", "8:1 4\n8:0 5\n", true}, {VerifyLine, "8:0 5", "8:0 4\n", false}, {VerifyLine, "8:0 0", "", true}, {VerifyLine, "8:0 5", "", false},
		{VerifyLine, "8:0 rbps=5", "8:0 rbps=5 wbps=max\n", true}, {VerifyLine, "8:0 rbps=5", "8:0 rbps=50 wbps=max\n", false},
		{VerifyLine, "8:0 rbps=max", "", true},
		{VerifyOOM, "1", "oom_kill_disable 1\nunder_oom 0\n", true}, {VerifyOOM, "1", "oom_kill_disable 0\nunder_oom 1\n", false},
		{VerifyDevices, "c 1:3 rwm\nb *:* m", "b *:* m\nc 1:3 rwm\n", true}, {VerifyDevices, "c 1:3 rw", "c 1:3 rwm\n", false},
	} {
		v := Value{Value: c.want, Verify: c.verify}
		if got := v.holds(c.got, 4096); got != c.holds {
			t.Errorf("verify %d: %q against %q is %v", c.verify, c.want, c.got, got)
		}
	}
}

func FuzzCompile(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		b, _ := os.ReadFile(file)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r specs.LinuxResources
		if json.Unmarshal(b, &r) != nil {
			return
		}
		for name, h := range hosts() {
			values, err := Compile(h, &r)
			if err != nil {
				if !strings.HasPrefix(err.Error(), "config.json: linux.resources.") {
					t.Fatalf("%s: error without a JSON path: %v", name, err)
				}
				continue
			}
			g := h.Group("x")
			for _, v := range values {
				for p := &v; p != nil; p = p.Or {
					if strings.ContainsAny(p.File, "/\n\x00") || p.File == "" || p.File[0] == '.' {
						t.Fatalf("%s: a file named %q", name, p.File)
					}
					if g.dir(p.Controller, p.V2) == nil {
						t.Fatalf("%s: %s has no directory", name, p.File)
					}
					if p.Program == nil && p.Verify != VerifyDevices && strings.Contains(p.Value, "\n") {
						t.Fatalf("%s: two lines in one write: %q", name, p.Value)
					}
					if !strings.HasPrefix(p.Source, resources) {
						t.Fatalf("%s: %s without a source", name, p.File)
					}
				}
			}
		}
	})
}
