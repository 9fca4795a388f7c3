package manager

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
	"github.com/minirun/minirun/internal/systemd"
)

func text(list []Property) string {
	var out []string
	for _, p := range list {
		out = append(out, fmt.Sprintf("%s=%v", p.Name, p.Value))
	}
	return strings.Join(out, " ")
}

func TestLimitProperties(t *testing.T) {
	machine := &host.Host{Mode: host.V2, V2: &host.Hierarchy{Mount: "/sys/fs/cgroup", Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"}}}
	p := func(n int64) *int64 { return &n }
	u := func(n uint64) *uint64 { return &n }
	for want, r := range map[string]specs.LinuxResources{
		"": {},
		"MemorySwapMax=@t 67108864 MemoryMax=@t 67108864 MemoryLow=@t 1048576":    {Memory: &specs.LinuxMemory{Limit: p(64 << 20), Swap: p(128 << 20), Reservation: p(1 << 20)}},
		"MemorySwapMax=@t 18446744073709551615 MemoryMax=@t 18446744073709551615": {Memory: &specs.LinuxMemory{Limit: p(-1)}},
		"TasksMax=@t 5":                    {Pids: &specs.LinuxPids{Limit: p(5)}},
		"TasksMax=@t 18446744073709551615": {Pids: &specs.LinuxPids{Limit: p(-1)}},
		"CPUWeight=@t 100":                 {CPU: &specs.LinuxCPU{Shares: u(1024)}},
		// Rounded up to a hundredth of a processor.
		"CPUQuotaPeriodUSec=@t 100000 CPUQuotaPerSecUSec=@t 130000": {CPU: &specs.LinuxCPU{Quota: p(12345), Period: u(100000)}},
		"CPUQuotaPerSecUSec=@t 500000":                              {CPU: &specs.LinuxCPU{Quota: p(50000)}},
		"AllowedCPUs=@ay [0x8d, 0x1] AllowedMemoryNodes=@ay [0x1]":  {CPU: &specs.LinuxCPU{Cpus: "0,2-3,7-8", Mems: "0"}},
		"MemoryHigh=@t 4096":                                        {Unified: map[string]string{"memory.high": "4096"}},
	} {
		values, err := resources.CompileLimits(machine, &r)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(Limits(values)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestUnitProperties(t *testing.T) {
	r := &systemd.Request{ID: "box", Pid: 7, Unit: systemd.Unit{Name: "minirun-box.scope", Slice: "a.slice"}}
	const plain = `Slice="a.slice" PIDs=@au [7] Delegate=true DefaultDependencies=false `
	for want, annotations := range map[string]map[string]string{
		`Description="minirun container box" ` + plain + `CollectMode="inactive-or-failed"`: {"other": "x"},
		` TimeoutStopUSec=@t 5000000`:                   {"org.systemd.property.TimeoutStopSec": "uint64 5"},
		` RuntimeMaxUSec=@t 1500000`:                    {"org.systemd.property.RuntimeMaxSec": "1.5"},
		` TimeoutStopUSec=@t 7`:                         {"org.systemd.property.TimeoutStopUSec": "uint64 7"},
		` After=["x.service"]`:                          {"org.systemd.property.After": "['x.service']"},
		`DefaultDependencies=false MemoryAccounting`:    {"org.systemd.property.CollectMode": "'inactive'"}, // the default is removed,
		`TasksMax=@t 18446744073709551615 CollectMode=`: {"org.systemd.property.CollectMode": "'inactive'"}, // and the value appended
	} {
		r.Annotations = annotations
		p, err := Properties(r)
		if got := text(p); err != nil || !strings.Contains(got, want) {
			t.Errorf("%v: %v %s\nwant %s", annotations, err, got, want)
		}
	}
	for name, value := range map[string]string{"Slice": "'x'", "PIDs": "[1]", "A B": "1", "": "1", "X": "uint64 x", "TimeoutSec": "'x'", "TimeoutStopSec": "-1"} {
		r.Annotations = map[string]string{"org.systemd.property." + name: value}
		if p, err := Properties(r); err == nil || !strings.Contains(err.Error(), `annotations["org.systemd.property.`+name) {
			t.Errorf("%s = %s: %v, %s", name, value, err, text(p))
		}
	}
}

func TestMapToHost(t *testing.T) {
	for text, want := range map[string]int{"0 0 4294967295\n": 0, "         0       1000          1\n         1     100000      65536\n": 1000} {
		if got, err := mapToHost(text, 0); got != want || err != nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	if got, err := mapToHost("0 1000 1\n1 100000 65536\n", 8); got != 100007 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := mapToHost("1 5 1\n", 0); err == nil {
		t.Error("a user that is not in the map")
	}
}
