package exec

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

func TestCgroupFlagStaysBelowTheContainer(t *testing.T) {
	own := map[string]string{"cpu": "/c/cpu/box", "cpuacct": "/c/cpu/box", "pids": "/c/pids/box", "": "/c/unified/box"}
	for _, c := range []struct {
		flags []string
		want  map[string]string // the differences; nil if refused
	}{
		{nil, map[string]string{}},
		{[]string{"/"}, map[string]string{}},
		{[]string{"pids:a"}, map[string]string{"pids": "/c/pids/box/a"}},
		{[]string{"pids:/a//b/."}, map[string]string{"pids": "/c/pids/box/a/b"}},
		{[]string{"cpu:a"}, map[string]string{"cpu": "/c/cpu/box/a", "cpuacct": "/c/cpu/box/a"}},
		{[]string{"pids,cpuacct:a"}, map[string]string{"pids": "/c/pids/box/a", "cpu": "/c/cpu/box/a",
			"cpuacct": "/c/cpu/box/a"}},
		{[]string{"a", "pids:b"}, map[string]string{"pids": "/c/pids/box/b", "cpu": "/c/cpu/box/a",
			"cpuacct": "/c/cpu/box/a", "": "/c/unified/box/a"}},
		{[]string{":a"}, map[string]string{"": "/c/unified/box/a"}},
		{[]string{"a/../b"}, nil},
		{[]string{"pids:.."}, nil},
		{[]string{"memory:a"}, nil},
		{[]string{"pids,memory:a"}, nil},
	} {
		got, err := subCgroups(own, c.flags)
		if c.want == nil {
			if err == nil {
				t.Errorf("%q is accepted: %v", c.flags, got)
			}
			continue
		}
		want := maps.Clone(own)
		maps.Copy(want, c.want)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", c.flags, got, err, want)
		}
	}
	if own["pids"] != "/c/pids/box" {
		t.Error("the container's own cgroups were changed")
	}
}

// TestChangesLeaveTheContainersProcess: the command line changes the process of exec but not the container's,
// although they share slices.
func TestChangesLeaveTheContainersProcess(t *testing.T) {
	list := func(s ...string) []string { return append(make([]string, 0, 10), s...) }
	own := specs.Process{Cwd: "/", Env: list("A=1"), User: specs.User{AdditionalGids: append(make([]uint32, 0, 10), 5)},
		Capabilities: &specs.LinuxCapabilities{Bounding: list("CAP_KILL"), Permitted: list("CAP_KILL"),
			Effective: list("CAP_KILL")}}
	o := Options{Args: []string{"x"}, Env: []string{"B=2"}, User: "1:2", Gids: []string{"6"},
		Caps: []string{"CAP_CHOWN"}, Warn: func(any) {}}
	p, err := o.determineProcess(&specs.Spec{Process: &own})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Env) != 2 || p.User.UID != 1 || p.User.GID != 2 || len(p.User.AdditionalGids) != 2 ||
		len(p.Capabilities.Bounding) != 2 {
		t.Errorf("the process is %+v", p)
	}
	if len(own.Env) != 1 || own.Env[:2][1] != "" || own.User.AdditionalGids[:2][1] != 0 ||
		own.Capabilities.Bounding[:2][1] != "" || own.User.UID != 0 {
		t.Errorf("the container's process was changed: %+v", own)
	}
}

// TestCPUSetIsWideEnough: the mask includes CPUs above 1023, which unix.CPUSet drops.
func TestCPUSetIsWideEnough(t *testing.T) {
	for _, cpu := range []int{0, 63, 64, 1023, 1024, 8191, spec.MaxListed} {
		set := spec.ListMask(strconv.Itoa(cpu) + ",1")
		if want := len(slices.Compact([]int{min(cpu, 1), max(cpu, 1)})); cpu != 1 &&
			(!set.IsSet(cpu) || !set.IsSet(1) || set.Count() != want) {
			t.Errorf("CPU %d: in the mask %v, which has %d CPUs", cpu, set.IsSet(cpu), set.Count())
		}
	}
}

// TestBindToCPUsIsUndone: the thread runs on these CPUs, and afterwards on the previous ones again.
func TestBindToCPUsIsUndone(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, now := unix.NewCPUSet(spec.MaxListed+1), unix.NewCPUSet(spec.MaxListed+1)
	if err := unix.SchedGetaffinityDynamic(0, before); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !before.IsSet(first) {
		first++
	}
	restore, err := bindToCPUs(fmt.Sprintf("%d,%d", first, spec.MaxListed))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SchedGetaffinityDynamic(0, now); err != nil || !now.IsSet(first) || now.Count() != 1 {
		t.Errorf("%d CPUs, %v", now.Count(), err)
	}
	restore()
	if err := unix.SchedGetaffinityDynamic(0, now); err != nil || now.Count() != before.Count() {
		t.Errorf("afterwards %d CPUs, want %d: %v", now.Count(), before.Count(), err)
	}
}
