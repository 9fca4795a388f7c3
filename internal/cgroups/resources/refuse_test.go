package resources

import (
	"strings"
	"testing"
)

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
		r := parseResources(t, c.json)
		for name := range strings.FieldsSeq(c.hosts) {
			values, err := Compile(hosts()[name], r)
			if err == nil || !strings.HasPrefix(err.Error(), "config.json: linux.resources."+c.path+": ") {
				t.Errorf("%s on %s: error %v, want one at %s", c.json, name, err, c.path)
			}
			if values != nil {
				t.Errorf("%s on %s: values in addition to the error", c.json, name)
			}
		}
	}
}
