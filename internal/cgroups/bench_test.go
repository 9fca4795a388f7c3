package cgroups_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

// BenchmarkLifecycle measures the cost of the cgroups of `minirun run` with the default
// config.json: everything except the process itself.
func BenchmarkLifecycle(b *testing.B) {
	newGroup(b)
	var detect, create, apply, del time.Duration
	for i := range b.N {
		t0 := time.Now()
		h, err := host.Detect()
		if err != nil {
			b.Fatal(err)
		}
		values, err := resources.Compile(h, &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}})
		if err != nil {
			b.Fatal(err)
		}
		t1 := time.Now()
		g := group.New(h, "/minirun-test-bench-"+strconv.Itoa(os.Getpid())+"-"+strconv.Itoa(i))
		if err := g.Create(); err != nil {
			b.Fatal(err)
		}
		t2 := time.Now()
		if err := resources.Apply(g, values); err != nil {
			b.Fatal(err)
		}
		t3 := time.Now()
		if err := g.Delete(time.Second); err != nil {
			b.Fatal(err)
		}
		detect += t1.Sub(t0)
		create += t2.Sub(t1)
		apply += t3.Sub(t2)
		del += time.Since(t3)
	}
	for name, d := range map[string]time.Duration{"detect": detect, "create": create, "apply": apply, "delete": del} {
		b.ReportMetric(float64(d.Microseconds())/float64(b.N), name+"-µs/op")
	}
}

func BenchmarkDetect(b *testing.B) {
	for b.Loop() {
		if _, err := host.Detect(); err != nil {
			b.Skip(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	h := host.Typical(host.V1)
	r := &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}}
	for b.Loop() {
		if _, err := resources.Compile(h, r); err != nil {
			b.Fatal(err)
		}
	}
}
