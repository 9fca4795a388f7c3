package metrics

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
	stats1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	"github.com/minirun/minirun/internal/cgroups"
)

// TestRead compares the library's metrics of a group with the kernel's files and with package
// cgroups: the same processes, the same freezer.
func TestRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	h, err := cgroups.Detect()
	if err != nil {
		t.Skip(err)
	}
	g := h.Group(fmt.Sprintf("/minirun-test-metrics-%d", os.Getpid()))
	if err := g.Create(); err != nil {
		t.Skipf("cgroups cannot be made here: %v", err)
	}
	defer func() {
		if err := g.Delete(5 * time.Second); err != nil {
			t.Error(err)
		}
	}()
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exec sleep 100")
	dir, err := g.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if dir != nil {
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	if err := g.Inside(cmd.Start); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	time.Sleep(300 * time.Millisecond)
	// While frozen, it uses no CPU time between two samples.
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := Read(g.Paths())
	if err != nil {
		t.Fatal(err)
	}
	if h.Mode == cgroups.V2 {
		if m.V2 == nil || m.V2.CPU.GetUsageUsec() == 0 {
			t.Errorf("%+v", m)
		}
		sameV2(t, g, m)
		return
	}
	if m.V1 == nil || m.V1.CPU.GetUsage().GetTotal() == 0 || m.V1.Memory.GetUsage().GetUsage() == 0 || m.V1.Pids.GetCurrent() != 1 {
		t.Fatalf("%+v", m.V1)
	}
	limit, err := os.ReadFile(g.Paths()["memory"] + "/memory.limit_in_bytes")
	if err != nil || fmt.Sprint(m.V1.Memory.Usage.Limit) != strings.TrimSpace(string(limit)) {
		t.Errorf("limit %d, the file says %s, %v", m.V1.Memory.Usage.Limit, limit, err)
	}

	sameV1(t, g, m)

	if err := g.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	lib, err := cgroup1.Load(place(g.Paths()), cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
		return []cgroup1.Subsystem{cgroup1.NewFreezer("/"), cgroup1.NewPids("/")}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	procs, err := lib.Processes(cgroup1.Pids, true)
	if err != nil || len(procs) != 1 || procs[0].Pid != cmd.Process.Pid {
		t.Errorf("the library sees %v, %v", procs, err)
	}
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := lib.State(); s != cgroup1.Frozen {
		t.Errorf("frozen by us, the library says %s", s)
	}
	if err := lib.Thaw(); err != nil {
		t.Fatal(err)
	}
	if s, err := g.State(); s != cgroups.Thawed {
		t.Errorf("thawed by the library, we say %v, %v", s, err)
	}
}

// sameV1 compares the values that package cgroups reads with the library's.
func sameV1(t *testing.T, g *cgroups.Group, m *Metrics) {
	t.Helper()
	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	cpu, memory := m.V1.CPU, m.V1.Memory
	for _, c := range []struct {
		what      string
		ours, lib any
	}{
		{"cpu total", s.CPU.Usage.Total, cpu.Usage.Total},
		{"cpu user", s.CPU.Usage.User, cpu.Usage.User},
		{"cpu kernel", s.CPU.Usage.Kernel, cpu.Usage.Kernel},
		{"cpu by CPU", fmt.Sprint(s.CPU.Usage.Percpu), fmt.Sprint(cpu.Usage.PerCPU)},
		{"throttling", fmt.Sprint(s.CPU.Throttling), fmt.Sprintf("{%d %d %d}", cpu.Throttling.GetPeriods(), cpu.Throttling.GetThrottledPeriods(), cpu.Throttling.GetThrottledTime())},
		{"memory", fmt.Sprint(s.Memory.Usage), entry(memory.Usage)},
		{"memory and swap", fmt.Sprint(s.Memory.Swap), entry(memory.Swap)},
		{"kernel memory", fmt.Sprint(s.Memory.Kernel), entry(memory.Kernel)},
		{"kernel TCP memory", fmt.Sprint(s.Memory.KernelTCP), entry(memory.KernelTCP)},
		{"cache", s.Memory.Cache, memory.Cache},
		{"total rss", s.Memory.Raw["total_rss"], memory.TotalRSS},
		{"page faults", s.Memory.Raw["pgfault"], memory.PgFault},
		{"pids", s.Pids.Current, m.V1.Pids.Current},
		{"pids limit", s.Pids.Limit, m.V1.Pids.Limit},
		{"bytes", entries(s.Blkio.ServiceBytes), libEntries(m.V1.Blkio.GetIoServiceBytesRecursive())},
		{"requests", entries(s.Blkio.Serviced), libEntries(m.V1.Blkio.GetIoServicedRecursive())},
	} {
		if c.ours != c.lib {
			t.Errorf("%s: %v, the library says %v", c.what, c.ours, c.lib)
		}
	}
}

func sameV2(t *testing.T, g *cgroups.Group, m *Metrics) {
	t.Helper()
	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what      string
		ours, lib any
	}{
		{"cpu total", s.CPU.Usage.Total, m.V2.CPU.GetUsageUsec() * 1000},
		{"cpu user", s.CPU.Usage.User, m.V2.CPU.GetUserUsec() * 1000},
		{"memory", s.Memory.Usage.Usage, m.V2.Memory.GetUsage()},
		{"file cache", s.Memory.Cache, m.V2.Memory.GetFile()},
		{"pids", s.Pids.Current, m.V2.Pids.GetCurrent()},
	} {
		if c.ours != c.lib {
			t.Errorf("%s: %v, the library says %v", c.what, c.ours, c.lib)
		}
	}
}

func entry(e *stats1.MemoryEntry) string {
	return fmt.Sprintf("{%d %d %d %d}", e.GetLimit(), e.GetUsage(), e.GetMax(), e.GetFailcnt())
}

func entries(list []cgroups.BlkioEntry) (s string) {
	for _, e := range list {
		s += fmt.Sprintln(e.Major, e.Minor, e.Op, e.Value)
	}
	return s
}

func libEntries(list []*stats1.BlkIOEntry) (s string) {
	for _, e := range list {
		s += fmt.Sprintln(e.Major, e.Minor, e.Op, e.Value)
	}
	return s
}

// TestReadV2 checks only the v2 tree, as far as this machine has one.
func TestReadV2(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	h, err := cgroups.Detect()
	if err != nil || h.V2 == nil {
		t.Skip("no v2 tree")
	}
	// Create enables controllers in the root. The test disables them again.
	control := h.V2.Mount + "/cgroup.subtree_control"
	before, err := os.ReadFile(control)
	if err != nil {
		t.Skip(err)
	}
	defer func() {
		for _, c := range h.V2.Controllers {
			if !strings.Contains(string(before), c) {
				os.WriteFile(control, []byte("-"+c), 0)
			}
		}
	}()
	g := (&cgroups.Host{Mode: cgroups.V2, V2: h.V2}).Group(fmt.Sprintf("/minirun-test-metrics2-%d", os.Getpid()))
	if err := g.Create(); err != nil {
		t.Skip(err)
	}
	defer g.Delete(time.Second)
	m, err := Read(g.Paths())
	if err != nil || m.V2 == nil || m.V1 != nil {
		t.Errorf("%+v, %v", m, err)
	}
}
