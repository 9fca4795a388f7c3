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
	"github.com/minirun/minirun/internal/cgroups"
)

// TestRead compares the library's view of a group with the kernel's files and
// with package cgroups: the same processes, the same freezer.
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
	m, err := Read(g.Paths())
	if err != nil {
		t.Fatal(err)
	}
	if h.Mode == cgroups.V2 {
		if m.V2 == nil || m.V2.CPU.GetUsageUsec() == 0 {
			t.Errorf("%+v", m)
		}
		return
	}
	if m.V1 == nil || m.V1.CPU.GetUsage().GetTotal() == 0 || m.V1.Memory.GetUsage().GetUsage() == 0 || m.V1.Pids.GetCurrent() != 1 {
		t.Fatalf("%+v", m.V1)
	}
	limit, err := os.ReadFile(g.Paths()["memory"] + "/memory.limit_in_bytes")
	if err != nil || fmt.Sprint(m.V1.Memory.Usage.Limit) != strings.TrimSpace(string(limit)) {
		t.Errorf("limit %d, the file says %s, %v", m.V1.Memory.Usage.Limit, limit, err)
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

// TestReadV2: the v2 tree alone, as far as this machine's tree goes.
func TestReadV2(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	h, err := cgroups.Detect()
	if err != nil || h.V2 == nil {
		t.Skip("no v2 tree")
	}
	// Create enables controllers in the root; take that back.
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
