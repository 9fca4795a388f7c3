package cgroups_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

// checkMembership compares /proc/PID/cgroup with the group.
func checkMembership(t *testing.T, h *host.Host, g *group.Group, pid int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(g.Dirs()[0])
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return !mounted(h, line) })
	for _, line := range lines {
		if !strings.HasSuffix(line, "/"+name) && !strings.HasPrefix(line, "0::") || h.V2 != nil && strings.HasPrefix(line, "0::") && !strings.HasSuffix(line, "/"+name) {
			t.Errorf("process %d: %s, want %s", pid, line, name)
		}
	}
	if len(lines) < len(h.V1) {
		t.Errorf("only %d hierarchies", len(lines))
	}
}

func TestJoinAndMove(t *testing.T) {
	h, g := newGroup(t)
	if err := resources.Apply(g, compile(t, h, `{"devices":[{"allow":false,"access":"rwm"}]}`)); err != nil {
		t.Fatal(err)
	}
	joined := startInGroup(t, g, "sleep", "100")
	checkMembership(t, h, g, joined.Process.Pid)
	moved := exec.Command("sleep", "100")
	if err := moved.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { moved.Process.Kill(); moved.Wait() })
	if err := g.AddProcess(moved.Process.Pid); err != nil {
		t.Fatal(err)
	}
	checkMembership(t, h, g, moved.Process.Pid)
	pids, err := g.TreeProcesses()
	want := []int{joined.Process.Pid, moved.Process.Pid}
	slices.Sort(want)
	if err != nil || !slices.Equal(pids, want) {
		t.Errorf("processes %v, %v; want %v", pids, err, want)
	}
	if err := g.Create(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a used cgroup: %v", err)
	}
	if err := g.AddProcess(1 << 22); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that does not exist: %v", err)
	}
	moved.Process.Kill()
	moved.Wait()
	if err := g.AddProcess(moved.Process.Pid); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that exited: %v", err)
	}
}

// TestFailedCreateRemovesDirectories: if a later hierarchy fails, the earlier ones are cleaned up.
func TestFailedCreateRemovesDirectories(t *testing.T) {
	h, g := newGroup(t)
	paths := group.New(h, "/"+filepath.Base(g.Dirs()[0])+"/x/y").Paths()
	last := slices.Sorted(maps.Keys(paths))[len(paths)-1]
	if h.V2 != nil {
		last = ""
	}
	paths[last] += "/new\nline" // the kernel refuses this name
	if err := group.OpenOn(h, paths).Create(); !errors.Is(err, unix.EINVAL) {
		t.Fatalf("%v", err)
	}
	for _, dir := range g.Dirs() {
		if _, err := os.Stat(dir + "/x"); err == nil {
			t.Errorf("%s/x is left", dir)
		}
	}
}
