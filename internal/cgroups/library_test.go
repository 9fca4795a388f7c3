package cgroups_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
	stats1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	"github.com/containerd/cgroups/v3/cgroup2"
	stats2 "github.com/containerd/cgroups/v3/cgroup2/stats"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/stats"
)

// libraryMetrics is one sample: V1 for a container with v1 controllers, V2 for one that has
// only the v2 tree. The other is nil. Units are those of the library's metrics.proto:
// bytes, and nanoseconds on v1, microseconds on v2.
type libraryMetrics struct {
	V1 *stats1.Metrics `json:"v1,omitempty"`
	V2 *stats2.Metrics `json:"v2,omitempty"`
}

// readLibrary samples the cgroups in state.json's cgroup_paths.
func readLibrary(paths map[string]string) (*libraryMetrics, error) {
	if _, tree := paths[""]; tree && len(paths) == 1 {
		// The library joins mount point and group; it does not matter where the path
		// is split.
		m, err := cgroup2.Load("/"+filepath.Base(paths[""]), cgroup2.WithMountpoint(filepath.Dir(paths[""])))
		if err != nil {
			return nil, fmt.Errorf("read the statistics of %s: %w", paths[""], err)
		}
		stats, err := m.Stat()
		if err != nil {
			return nil, fmt.Errorf("read the statistics of %s: %w", paths[""], err)
		}
		return &libraryMetrics{V2: stats}, nil
	}
	group, err := cgroup1.Load(libraryPath(paths), cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) { return librarySubsystems(paths) }))
	if err != nil {
		return nil, fmt.Errorf("find the cgroups to read statistics of: %w", err)
	}
	// A missing file belongs to an accounting feature that the kernel was built
	// without (memory.memsw.*); the rest of the sample is valid.
	stats, err := group.Stat(func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}
	return &libraryMetrics{V1: stats}, nil
}

// libraryPath gives the library the container's directories. It assumes that every hierarchy
// is mounted on ROOT/CONTROLLER; with "/" as ROOT, going up from /CONTROLLER with ".."
// leads to wherever the directory really is.
func libraryPath(paths map[string]string) cgroup1.Path {
	return func(name cgroup1.Name) (string, error) {
		dir, ok := paths[string(name)]
		if !ok {
			return "", cgroup1.ErrControllerNotActive
		}
		return "../" + dir, nil
	}
}

// librarySubsystems returns those that have statistics and a directory.
func librarySubsystems(paths map[string]string) (list []cgroup1.Subsystem, err error) {
	const root = "/"
	add := func(s cgroup1.Subsystem) {
		if paths[string(s.Name())] != "" {
			list = append(list, s)
		}
	}
	add(cgroup1.NewCpu(root))
	add(cgroup1.NewCpuacct(root))
	add(cgroup1.NewMemory(root))
	add(cgroup1.NewPids(root))
	add(cgroup1.NewBlkio(root))
	add(cgroup1.NewRdma(root))
	if paths[string(cgroup1.Hugetlb)] != "" {
		h, err := cgroup1.NewHugetlb(root)
		if err != nil {
			return nil, err
		}
		add(h)
	}
	return list, nil
}

// TestStatsMatchLibrary compares the library's metrics of a group with the kernel's files and with package
// cgroups: the same processes, the same freezer.
func TestStatsMatchLibrary(t *testing.T) {
	h, g := newGroup(t)
	cmd := startInGroup(t, g, "sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exec sleep 100")
	waitForSleep(t, cmd.Process.Pid)
	// While frozen, it uses no CPU time between two samples.
	if err := g.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := readLibrary(g.Paths())
	if err != nil {
		t.Fatal(err)
	}
	if h.IsV2Only() {
		if m.V2 == nil || m.V2.CPU.GetUsageUsec() == 0 {
			t.Errorf("%+v", m)
		}
		sameV2(t, g, m)
		checkV2Manager(t, g, cmd.Process.Pid)
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
	lib, err := cgroup1.Load(libraryPath(g.Paths()), cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
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
	if s, err := g.State(); s != group.Thawed {
		t.Errorf("thawed by the library, we say %v, %v", s, err)
	}
}

// waitForSleep waits until the shell has used its CPU time and executed sleep.
func waitForSleep(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "sleep\n" {
			return
		}
	}
	t.Fatal("the process does not reach sleep")
}

// checkV2Manager compares the process list and the freezer of a frozen group with the library's.
func checkV2Manager(t *testing.T, g *group.Group, pid int) {
	t.Helper()
	dir := g.V2Directory()
	m, err := cgroup2.Load("/"+filepath.Base(dir), cgroup2.WithMountpoint(filepath.Dir(dir)))
	if err != nil {
		t.Fatal(err)
	}
	pids, err := m.Procs(true)
	if err != nil || len(pids) != 1 || int(pids[0]) != pid {
		t.Errorf("the library sees %v, %v; want %d", pids, err, pid)
	}
	for _, c := range []struct {
		change func() error
		want   group.State
	}{{m.Thaw, group.Thawed}, {m.Freeze, group.Frozen}} {
		if err := c.change(); err != nil {
			t.Fatal(err)
		}
		// The library does not wait until the processes have stopped.
		var s group.State
		for end := time.Now().Add(10 * time.Second); s != c.want && time.Now().Before(end); time.Sleep(time.Millisecond) {
			if s, err = g.State(); err != nil {
				t.Fatal(err)
			}
		}
		if s != c.want {
			t.Errorf("changed by the library: state %v; want %v", s, c.want)
		}
	}
	if err := g.Thaw(t.Context()); err != nil {
		t.Error(err)
	}
}

// sameV1 compares the values that package stats reads with the library's.
func sameV1(t *testing.T, g *group.Group, m *libraryMetrics) {
	t.Helper()
	s, err := stats.Read(g)
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

func sameV2(t *testing.T, g *group.Group, m *libraryMetrics) {
	t.Helper()
	s, err := stats.Read(g)
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

func entries(list []stats.BlkioEntry) (s string) {
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

// TestStatsMatchLibraryV2 checks only the v2 tree, as far as this machine has one.
func TestStatsMatchLibraryV2(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("creating cgroups needs root")
	}
	h, err := host.Detect()
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
	g := group.New(&host.Host{Mode: host.V2, V2: h.V2}, fmt.Sprintf("/minirun-test-metrics2-%d", os.Getpid()))
	if err := g.Create(); err != nil {
		t.Skip(err)
	}
	defer g.Delete(time.Second)
	m, err := readLibrary(g.Paths())
	if err != nil || m.V2 == nil || m.V1 != nil {
		t.Errorf("%+v, %v", m, err)
	}
}
