package cgroups

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var testCount atomic.Int32

// realGroup creates a cgroup minirun-test-* on this machine, and deletes it at the end.
func realGroup(t testing.TB) (*Host, *Group) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("creating cgroups needs root")
	}
	h, err := Detect()
	if err != nil {
		t.Skip(err)
	}
	g := h.Group(fmt.Sprintf("/minirun-test-%d-%d", os.Getpid(), testCount.Add(1)))
	if err := g.Create(); err != nil {
		t.Skipf("cgroups cannot be created here: %v", err)
	}
	t.Cleanup(func() {
		if err := g.Delete(5 * time.Second); err != nil {
			t.Error(err)
		}
		for key, path := range g.Paths() {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%q is left behind: %s", key, path)
			}
		}
	})
	return h, g
}

func compileJSON(t testing.TB, h *Host, s string) []Value {
	t.Helper()
	var r specs.LinuxResources
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		t.Fatal(err)
	}
	values, err := Compile(h, &r)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// joinScript moves the shell into the cgroups whose tasks files are its first $1 arguments, as the
// steps of a plan do, says so on descriptor 3, and executes the rest.
const joinScript = `n=$1; shift
while [ $n -gt 0 ]; do echo 0 >"$1" || exit 99; shift; n=$((n-1)); done
echo >&3; exec 3>&-; exec "$@"`

// startInGroup starts a command in the group: created in its v2 cgroup, and moved into the v1 ones
// before it runs.
func startInGroup(t testing.TB, g *Group, args ...string) *exec.Cmd {
	t.Helper()
	tasks := g.Tasks()
	cmd := exec.Command("sh", slices.Concat([]string{"-c", joinScript, "sh", strconv.Itoa(len(tasks))}, tasks, args)...)
	dir, err := g.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if dir != nil {
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	joined, told, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer joined.Close()
	cmd.ExtraFiles = []*os.File{told}
	err = cmd.Start()
	told.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if n, err := joined.Read(make([]byte, 1)); n != 1 {
		t.Fatalf("the process did not join the group: %v, %v", err, cmd.Wait())
	}
	return cmd
}

// mounted reports whether a line of /proc/PID/cgroup refers to a mounted hierarchy of the host. A
// hierarchy that was unmounted while it had groups continues to exist, but is not used.
func mounted(h *Host, line string) bool {
	fields := strings.SplitN(line, ":", 3)
	return fields[1] == "" || slices.ContainsFunc(h.V1, func(v Hierarchy) bool { return strings.Join(v.Controllers, ",") == fields[1] })
}

// checkMembership compares /proc/PID/cgroup with the group.
func checkMembership(t *testing.T, h *Host, g *Group, pid int) {
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
	h, g := realGroup(t)
	if err := g.Apply(compileJSON(t, h, `{"devices":[{"allow":false,"access":"rwm"}]}`)); err != nil {
		t.Fatal(err)
	}
	joined := startInGroup(t, g, "sleep", "100")
	checkMembership(t, h, g, joined.Process.Pid)
	moved := exec.Command("sleep", "100")
	if err := moved.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { moved.Process.Kill(); moved.Wait() })
	if err := g.Add(moved.Process.Pid); err != nil {
		t.Fatal(err)
	}
	checkMembership(t, h, g, moved.Process.Pid)
	pids, err := g.AllProcs()
	want := []int{joined.Process.Pid, moved.Process.Pid}
	slices.Sort(want)
	if err != nil || !slices.Equal(pids, want) {
		t.Errorf("processes %v, %v; want %v", pids, err, want)
	}
	if err := g.Create(); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a used cgroup: %v", err)
	}
	if err := g.Add(1 << 22); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that does not exist: %v", err)
	}
	moved.Process.Kill()
	moved.Wait()
	if err := g.Add(moved.Process.Pid); !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that exited: %v", err)
	}
}

func TestApply(t *testing.T) {
	h, g := realGroup(t)
	if h.Mode == V2 || !h.has("memory") || !h.has("cpu") || !h.has("pids") {
		t.Skip("the expected files are those of v1")
	}
	file := func(controller, name string) string {
		s, err := readText(g.Paths()[controller] + "/" + name)
		if err != nil {
			t.Error(err)
		}
		return s
	}
	// Up, down and up again: each time, limit and memsw must be written in a certain order.
	for _, c := range [][2]string{{"33554432", "67108864"}, {"268435456", "536870912"}, {"16777216", "16777216"}, {"-1", "-1"}} {
		values := compileJSON(t, h, `{"devices":[{"allow":true,"access":"rwm"}],"memory":{"limit":`+c[0]+`,"swap":`+c[1]+`}}`)
		if err := g.Apply(values); err != nil {
			t.Fatal(err)
		}
		if got := file("memory", "memory.limit_in_bytes"); c[0] != "-1" && got != c[0] {
			t.Errorf("limit %s: %s", c[0], got)
		}
	}
	for _, c := range [][3]int{{50000, 100000, 20000}, {5000, 10000, 5000}, {900000, 1000000, 900000}, {2000, 1000000, 1000}} {
		values := compileJSON(t, h, fmt.Sprintf(`{"cpu":{"quota":%d,"period":%d,"burst":%d,"shares":512,"cpus":"0","mems":"0"},"pids":{"limit":1}}`, c[0], c[1], c[2]))
		if err := g.Apply(values); err != nil {
			t.Fatal(err)
		}
		if err := g.ApplyLate(values); err != nil {
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
		err := g.Apply(compileJSON(t, h, c.json))
		if err == nil || !strings.HasPrefix(err.Error(), "config.json: linux.resources."+c.path+": ") || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", c.json, err)
		}
	}
}

// TestHugepagesV2 uses the only controller that such a machine has in v2.
func TestHugepagesV2(t *testing.T) {
	h, g := realGroup(t)
	if h.has("hugetlb") || !h.v2("hugetlb") {
		t.Skip("the v2 tree has no hugetlb controller")
	}
	before, _ := readText(h.V2.Mount + "/cgroup.subtree_control")
	values := compileJSON(t, h, `{"hugepageLimits":[{"pageSize":"2MB","limit":5000000}]}`)
	if err := g.Apply(values); err != nil {
		t.Fatal(err)
	}
	if got, err := readText(g.Paths()[""] + "/hugetlb.2MB.max"); err != nil || got != "4194304" {
		t.Errorf("hugetlb.2MB.max is %s, %v", got, err)
	}
	if err := g.Apply(compileJSON(t, h, `{"hugepageLimits":[{"pageSize":"3MB","limit":5000000}]}`)); err == nil || !strings.Contains(err.Error(), "huge pages of that size") {
		t.Errorf("a page size that does not exist: %v", err)
	}
	if !strings.Contains(before, "hugetlb") {
		t.Cleanup(func() { writeText(h.V2.Mount+"/cgroup.subtree_control", "-hugetlb") })
	}
}

func TestDeleteRefusesRoots(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a plain user could not do harm, so the refusal would not show")
	}
	h, err := Detect()
	if err != nil {
		t.Skip(err)
	}
	mount := h.V2
	if mount == nil {
		mount = &h.V1[0]
	}
	err = refuseRoot(mount.Mount)
	if err == nil {
		t.Fatal("the root of a hierarchy would be deleted")
	}
	if refuseRoot("/tmp") == nil {
		t.Fatal("a directory that is not a cgroup would be deleted")
	}
}

// TestCreateUndoes: if a later hierarchy fails, the earlier ones are cleaned up.
func TestCreateUndoes(t *testing.T) {
	h, g := realGroup(t)
	bad := h.Group("/" + filepath.Base(g.dirs[0].path) + "/x/y")
	last := &bad.dirs[len(bad.dirs)-1]
	last.path += "/new\nline" // the kernel refuses this name
	if err := bad.Create(); !errors.Is(err, unix.EINVAL) {
		t.Fatalf("%v", err)
	}
	for _, d := range g.dirs {
		if _, err := os.Stat(d.path + "/x"); err == nil {
			t.Errorf("%s/x is left", d.path)
		}
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	h, g := realGroup(t)
	count := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
	values := compileJSON(t, h, `null`)
	work := func() {
		if err := g.Apply(values); err != nil {
			t.Fatal(err)
		}
		if _, err := g.AllProcs(); err != nil {
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
	h, g := realGroup(t)
	if !h.has("memory") {
		t.Skip("needs the memory controller of cgroup v1")
	}
	values := compileJSON(t, h, `{"memory":{"limit":67108864}}`)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	interruptThread(t, 20*time.Microsecond)
	for range 20000 {
		if err := g.Apply(values); err != nil {
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
