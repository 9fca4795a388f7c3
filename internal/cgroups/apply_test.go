package cgroups_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

func TestApply(t *testing.T) {
	h, g := newGroup(t)
	if h.IsV2Only() || !h.HasV1("memory") || !h.HasV1("cpu") || !h.HasV1("pids") {
		t.Skip("the expected files are those of v1")
	}
	file := func(controller, name string) string {
		s, err := cgroupfs.ReadText(g.Paths()[controller] + "/" + name)
		if err != nil {
			t.Error(err)
		}
		return s
	}
	// Up, down and up again: each time, limit and memsw must be written in a certain order.
	for _, c := range [][2]string{{"33554432", "67108864"}, {"268435456", "536870912"}, {"16777216", "16777216"}, {"-1", "-1"}} {
		values := compile(t, h, `{"devices":[{"allow":true,"access":"rwm"}],"memory":{"limit":`+c[0]+`,"swap":`+c[1]+`}}`)
		if err := resources.Apply(g, values); err != nil {
			t.Fatal(err)
		}
		if got := file("memory", "memory.limit_in_bytes"); c[0] != "-1" && got != c[0] {
			t.Errorf("limit %s: %s", c[0], got)
		}
	}
	for _, c := range [][3]int{{50000, 100000, 20000}, {5000, 10000, 5000}, {900000, 1000000, 900000}, {2000, 1000000, 1000}} {
		values := compile(t, h, fmt.Sprintf(`{"cpu":{"quota":%d,"period":%d,"burst":%d,"shares":512,"cpus":"0","mems":"0"},"pids":{"limit":1}}`, c[0], c[1], c[2]))
		if err := resources.Apply(g, values); err != nil {
			t.Fatal(err)
		}
		if err := resources.ApplyLate(g, values); err != nil {
			t.Fatal(err)
		}
		if got := file("cpu", "cpu.cfs_quota_us") + file("cpu", "cpu.cfs_burst_us") + file("cpu", "cpu.shares") + file("cpuset", "cpuset.cpus") + file("pids", "pids.max"); got != fmt.Sprint(c[0])+fmt.Sprint(c[2])+"51201" {
			t.Errorf("%v: %s", c, got)
		}
	}
	for _, c := range []struct{ json, path, word string }{
		{`{"blockIO":{"throttleReadBpsDevice":[{"major":4000,"minor":0,"rate":1}]}}`, "blockIO.throttleReadBpsDevice[0].rate", "lsblk"},
		{`{"cpu":{"cpus":"4000"}}`, "cpu.cpus", "cpuset.cpus"},
		{`{"cpu":{"quota":1}}`, "cpu.quota", "invalid argument"},
		{`{"blockIO":{"leafWeight":100}}`, "blockIO.leafWeight", "does not have the file"},
	} {
		err := resources.Apply(g, compile(t, h, c.json))
		if err == nil || !strings.HasPrefix(err.Error(), "config.json: linux.resources."+c.path+": ") || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", c.json, err)
		}
	}
}

// TestHugepagesV2 uses the only controller that such a machine has in v2.
func TestHugepagesV2(t *testing.T) {
	h, g := newGroup(t)
	if h.HasV1("hugetlb") || !h.HasV2("hugetlb") {
		t.Skip("the v2 tree has no hugetlb controller")
	}
	before, _ := cgroupfs.ReadText(h.V2.Mount + "/cgroup.subtree_control")
	values := compile(t, h, `{"hugepageLimits":[{"pageSize":"2MB","limit":5000000}]}`)
	if err := resources.Apply(g, values); err != nil {
		t.Fatal(err)
	}
	if got, err := cgroupfs.ReadText(g.Paths()[""] + "/hugetlb.2MB.max"); err != nil || got != "4194304" {
		t.Errorf("hugetlb.2MB.max is %s, %v", got, err)
	}
	if err := resources.Apply(g, compile(t, h, `{"hugepageLimits":[{"pageSize":"3MB","limit":5000000}]}`)); err == nil || !strings.Contains(err.Error(), "huge pages of that size") {
		t.Errorf("a page size that does not exist: %v", err)
	}
	if !strings.Contains(before, "hugetlb") {
		t.Cleanup(func() { cgroupfs.WriteText(h.V2.Mount+"/cgroup.subtree_control", "-hugetlb") })
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	h, g := newGroup(t)
	count := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
	values := compile(t, h, `null`)
	work := func() {
		if err := resources.Apply(g, values); err != nil {
			t.Fatal(err)
		}
		if _, err := g.TreeProcesses(); err != nil {
			t.Fatal(err)
		}
	}
	work()
	before := count()
	for range 20 {
		work()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

// TestLimitDespiteSignals: setting a memory limit on version 1 fails with EINTR if a signal is
// pending, and the Go runtime sends signals to its threads.
func TestLimitDespiteSignals(t *testing.T) {
	h, g := newGroup(t)
	if !h.HasV1("memory") {
		t.Skip("needs the memory controller of cgroup v1")
	}
	values := compile(t, h, `{"memory":{"limit":67108864}}`)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	interruptThread(t, 20*time.Microsecond)
	for range 20000 {
		if err := resources.Apply(g, values); err != nil {
			t.Fatal(err)
		}
	}
}

// interruptThread sends SIGURG to the calling thread at an interval, from the kernel's timer
// interrupt. The Go runtime uses the same signal and tolerates any number of them.
func interruptThread(t *testing.T, interval time.Duration) {
	t.Helper()
	event := struct { // struct sigevent
		value          uint64
		signal, notify int32
		thread         int32
		_              [44]byte
	}{signal: int32(unix.SIGURG), notify: 4 /* SIGEV_THREAD_ID */, thread: int32(unix.Gettid())}
	var timer int32
	if _, _, errno := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer))); errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { _, _, _ = unix.Syscall(unix.SYS_TIMER_DELETE, uintptr(timer), 0, 0) })
	every := unix.NsecToTimespec(interval.Nanoseconds())
	when := [2]unix.Timespec{every, every} // struct itimerspec
	if _, _, errno := unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&when)), 0, 0, 0); errno != 0 {
		t.Fatal(errno)
	}
}
