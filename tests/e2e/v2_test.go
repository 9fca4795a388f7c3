package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/tests/testbundle"
)

const tree = "/sys/fs/cgroup"

// needV2 skips the test unless cgroup v2 is the only version: tests/vm/run provides such a machine.
func needV2(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	if !onV2(t) {
		t.Skip("needs cgroup v2 alone: tests/vm/run")
	}
}

func writeCgroup(t *testing.T, path, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(tree, path), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// makeCgroup creates a cgroup and removes it at the end of the test.
func makeCgroup(t *testing.T, path string) {
	t.Helper()
	dir := filepath.Join(tree, path)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a cgroup is left: %v", err)
		}
	})
}

func noCgroup(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(tree, path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cgroup %s: %v", path, err)
	}
}

// Values that only version 2 counts: pressure, and how often memory was short.
func TestCgroupEventsV2(t *testing.T) {
	needV2(t)
	limit := int64(16 << 20)
	b, _ := up(t, func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	})
	in(b, "x=$(head -c 40000000 /dev/zero | tr '\\0' x)")
	var event struct {
		Data struct {
			CPU, Blkio struct{ PSI map[string]map[string]float64 }
			Memory     struct {
				Events map[string]uint64
				PSI    map[string]map[string]float64
				Swap   struct{ Limit uint64 }
			}
		}
	}
	out := b.Minirun("events", "--stats", b.ID)
	if err := json.Unmarshal([]byte(out.Stdout), &event); err != nil {
		t.Fatalf("%v: %s%s", err, out.Stdout, out.Stderr)
	}
	d := event.Data
	for name, psi := range map[string]map[string]map[string]float64{"cpu": d.CPU.PSI, "memory": d.Memory.PSI, "blkio": d.Blkio.PSI} {
		if _, ok := psi["some"]["avg10"]; !ok {
			t.Errorf("%s.psi is %v", name, psi)
		}
	}
	if d.CPU.PSI["some"]["total"] == 0 {
		t.Error("nothing ever waited for a processor")
	}
	if d.Memory.Events["max"] == 0 || d.Memory.Events["oom_kill"] == 0 {
		t.Errorf("memory.events is %v", d.Memory.Events)
	}
	if d.Memory.Swap.Limit != uint64(limit) { // of memory and swap together, as in v1: no swap
		t.Errorf("the limit of memory and swap is %d", d.Memory.Swap.Limit)
	}
}

// A disk is throttled to the rate in the file instead of its full speed.
func TestCgroupLimitIO(t *testing.T) {
	needV2(t)
	var st unix.Stat_t
	if err := unix.Stat(os.TempDir(), &st); err != nil {
		t.Fatal(err)
	}
	major, minor := unix.Major(st.Dev), unix.Minor(st.Dev)
	if major == 0 {
		t.Skipf("%s is not on a disk", os.TempDir())
	}
	throttle := specs.LinuxThrottleDevice{Rate: 1 << 20}
	throttle.Major, throttle.Minor = int64(major), int64(minor)
	b, _ := up(t, testbundle.Writable, func(s *specs.Spec) {
		s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{ThrottleWriteBpsDevice: []specs.LinuxThrottleDevice{throttle}}
	})
	want := fmt.Sprintf("%d:%d rbps=max wbps=1048576 riops=max wiops=max", major, minor)
	if got := limits(t, b, "io.max"); got != want {
		t.Errorf("io.max is %q, want %q", got, want)
	}
	begin := time.Now()
	if r := in(b, "dd if=/dev/zero of=/big bs=1M count=3 conv=fsync"); r.Status != 0 {
		t.Skipf("the bundle's disk takes no such writes: %s", r.Stderr)
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("3 MiB at 1 MiB a second took %v", took)
	}
	throttle.Rate = 0
	b.File("/../resources.json", fmt.Sprintf(`{"blockIO":{"throttleWriteBpsDevice":[{"major":%d,"minor":%d,"rate":0}]}}`, major, minor), 0o644)
	b.Minirun("update", "--resources", filepath.Join(b.Dir, "resources.json"), b.ID).Exit(t, 0)
	if got := limits(t, b, "io.max"); got != "" {
		t.Errorf("without a limit io.max is %q", got)
	}
}

// A process cannot be added to a threaded cgroup (cgroup-v2.rst, "Threads"): this is rejected with
// the reason, and nothing is left.
func TestCgroupThreadedNeighbours(t *testing.T) {
	needV2(t)
	top := fmt.Sprintf("/minirun-threads-%d", os.Getpid())
	makeCgroup(t, top)
	makeCgroup(t, top+"/threads")
	writeCgroup(t, top+"/threads/cgroup.type", "threaded")
	b := testbundle.New(t, testbundle.Args("true"))
	for path, state := range map[string]string{
		top + "/" + b.ID:            "domain invalid",
		top + "/threads/" + b.ID:    "domain invalid",
		top + "/new/below/" + b.ID:  "domain invalid",
		top + "/threads":            "threaded",
		top + "/threads/a/b" + b.ID: "domain invalid",
	} {
		b.Spec.Linux.CgroupsPath = path
		b.Run().Fails(t, "linux.cgroupsPath", state, "choose another")
		if path != top+"/threads" {
			noCgroup(t, path)
		}
	}
	if kind, err := os.ReadFile(filepath.Join(tree, top, "threads/cgroup.type")); err != nil || string(kind) != "threaded\n" {
		t.Errorf("the neighbour is %q, %v", kind, err)
	}
	noCgroup(t, top+"/new")
	noCgroup(t, top+"/threads/a")
	// The neighbour of a threaded cgroup is a container like any other.
	makeCgroup(t, top+"-beside")
	b.Spec.Linux.CgroupsPath = top + "-beside/" + b.ID
	b.Run().Exit(t, 0)
}

// A cgroup that has other cgroups below it is not used, and those stay.
func TestCgroupOfOthers(t *testing.T) {
	testbundle.Need(t)
	h, err := host.Detect()
	if err != nil {
		t.Fatal(err)
	}
	b := testbundle.New(t, testbundle.Args("true"))
	top := "/minirun-others-" + strconv.Itoa(os.Getpid())
	b.Spec.Linux.CgroupsPath = top
	other := group.New(h, top+"/inner")
	if err := other.Create(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = group.New(h, top).Delete(time.Second) }()
	cmd := exec.Command("sleep", "1000")
	if err := errors.Join(cmd.Start(), other.AddProcess(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	b.Run().Fails(t, "not empty", strconv.Itoa(cmd.Process.Pid))
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(other.Dirs()[0]); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
}

// Foreign processes in a container's cgroup, or below it, do not prevent its removal: they were moved
// into the container, and end with it.
func TestDeleteBusyCgroupV2(t *testing.T) {
	needV2(t)
	b, pid := up(t, func(s *specs.Spec) { s.Process.Args = []string{"sleep", "1000"} })
	group := "/" + b.ID
	var foreign []*exec.Cmd
	for _, where := range []string{group, group + "/below/deep"} {
		if err := os.MkdirAll(filepath.Join(tree, where), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		foreign = append(foreign, cmd)
		writeCgroup(t, where+"/cgroup.procs", strconv.Itoa(cmd.Process.Pid))
	}
	writeCgroup(t, group+"/below/cgroup.freeze", "1")
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	reap(pid)
	b.Minirun("delete", b.ID).Exit(t, 0)
	for _, cmd := range foreign {
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("a process that was in the cgroup: %v", err)
		}
	}
	noCgroup(t, group)
}

// A container to which its cgroup is delegated divides it into sub-cgroups: pause, update and delete
// affect all of them.
func TestCgroupDelegatedSubTree(t *testing.T) {
	needV2(t)
	for name, change := range map[string]func(*specs.Spec){"root": func(*specs.Spec) {}, "user namespace": userns} {
		t.Run(name, func(t *testing.T) {
			limit := int64(50)
			b, pid := up(t, change, with(specs.CgroupNamespace, ""), testbundle.NoMount(func(d string) bool { return d == "/sys/fs/cgroup" }),
				testbundle.AddMount(specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"rw", "nosuid", "noexec", "nodev"}}),
				func(s *specs.Spec) { s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &limit} })
			in(b, `cd /sys/fs/cgroup && mkdir init work && echo 1 > init/cgroup.procs && echo 0 > init/cgroup.procs &&
				echo +pids > cgroup.subtree_control && echo 5 > work/pids.max && sh -c 'echo 0 > work/cgroup.procs; sleep 1000 >/dev/null 2>&1 &' && cat work/pids.max`).Prints(t, "5")
			group := filepath.Join(tree, b.ID)
			own, err := os.ReadFile(filepath.Join(group, "work/cgroup.procs"))
			if err != nil || len(strings.Fields(string(own))) != 1 {
				t.Fatalf("processes in its own cgroup: %q, %v", own, err)
			}
			in(b, "cat /proc/self/cgroup").Prints(t, "0::/init") // because of the "no internal processes" rule
			if out := b.Minirun("ps", "--format", "json", b.ID); len(strings.Split(out.Stdout, ",")) != 2 || !strings.Contains(out.Stdout, strconv.Itoa(pid)) {
				t.Errorf("ps: %s%s", out.Stdout, out.Stderr)
			}
			b.Minirun("pause", b.ID).Exit(t, 0)
			if text, err := os.ReadFile(filepath.Join(group, "work/cgroup.events")); err != nil || !strings.Contains(string(text), "frozen 1") {
				t.Errorf("paused: %q, %v", text, err)
			}
			b.Minirun("resume", b.ID).Exit(t, 0)
			b.Minirun("update", "--pids-limit", "40", b.ID).Exit(t, 0)
			b.Minirun("delete", "--force", b.ID).Exit(t, 0)
			testbundle.Reap()
			noCgroup(t, b.ID)
		})
	}
}
