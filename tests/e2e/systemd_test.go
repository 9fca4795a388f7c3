package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// needSystemd skips the test if systemd is not running, or runs with cgroup v1: tests/vm/run --kind
// systemd provides a machine with systemd.
func needSystemd(t *testing.T) {
	t.Helper()
	testbundle.Need(t)
	if _, err := os.Stat("/run/systemd/system"); err != nil || !onV2(t) {
		t.Skip("needs systemd and cgroup v2: tests/vm/run --kind systemd")
	}
}

// scoped returns a container whose cgroup was created by systemd, and a function that asks systemd
// for properties of its unit.
func scoped(t *testing.T, mutate ...func(*specs.Spec)) (*testbundle.Bundle, func(properties ...string) string) {
	t.Helper()
	needSystemd(t)
	b := testbundle.New(t, append([]func(*specs.Spec){testbundle.Args("sleep", "1000"), func(s *specs.Spec) { s.Linux.CgroupsPath = "" }}, mutate...)...)
	b.Global = []string{"--systemd-cgroup"}
	return b, func(properties ...string) string {
		t.Helper()
		out, err := exec.Command("systemctl", "show", "minirun-"+b.ID+".scope", "--value", "-p", strings.Join(properties, ",")).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(out)), " ")
	}
}

func TestSystemdCreatesScope(t *testing.T) {
	b, show := scoped(t, func(s *specs.Spec) {
		limit, pids, quota, period := int64(64<<20), int64(50), int64(12345), uint64(100000)
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
		s.Linux.Resources.CPU = &specs.LinuxCPU{Quota: &quota, Period: &period, Cpus: "0"}
		s.Annotations = map[string]string{"org.systemd.property.TimeoutStopSec": "uint64 7"}
	})
	detached(t, b)
	for property, want := range map[string]string{
		"MemoryMax": "67108864", "TasksMax": "50", "AllowedCPUs": "0", "Delegate": "yes", "TimeoutStopUSec": "7s", "Slice": "system.slice",
		"ControlGroup": "/system.slice/minirun-" + b.ID + ".scope", "ActiveState": "active",
	} {
		if got := show(property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	dir := "/sys/fs/cgroup/system.slice/minirun-" + b.ID + ".scope/"
	files := func(when, want string) {
		t.Helper()
		var got []string
		for _, f := range []string{"memory.max", "pids.max", "cpu.max", "cpuset.cpus"} {
			text, err := os.ReadFile(dir + f)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.TrimSpace(string(text)))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", when, got, want)
		}
	}
	files("created", "67108864 50 12345 100000 0")
	in(b, "cat /proc/self/cgroup").Prints(t, "0::/system.slice/minirun-"+b.ID+".scope")
	b.Minirun("update", "--memory", "32M", "--pids-limit", "20", b.ID).Exit(t, 0)
	files("updated", "33554432 20 12345 100000 0")
	if got := show("MemoryMax"); got != "33554432" {
		t.Errorf("after update systemd has MemoryMax %s", got)
	}
	if out, err := exec.Command("systemctl", "daemon-reload").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files("reloaded", "33554432 20 "+reloadedQuota(t)+" 100000 0")
	b.Minirun("pause", b.ID).Exit(t, 0)
	b.Minirun("resume", b.ID).Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if got := show("ActiveState", "LoadState"); got != "not-found inactive" && got != "inactive not-found" {
		t.Errorf("after delete the unit is %s", got)
	}
}

// reloadedQuota returns the quota that systemd writes when it is reloaded, if it was set to 12345 µs. The
// resolution of systemd 252 is a hundredth of a CPU; 257 keeps the value.
func reloadedQuota(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("systemctl", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version int
	if _, err := fmt.Sscanf(string(out), "systemd %d", &version); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if version >= 257 {
		return "12345"
	}
	return "13000"
}

// The narration shows what was requested from systemd, and what the files contain.
func TestSystemdExplain(t *testing.T) {
	b, _ := scoped(t, memory(64<<20), testbundle.Args("true"))
	r := b.Run("--explain-level", "normal")
	r.Exit(t, 0)
	has(t, r.Stderr, "have systemd create minirun-"+b.ID+".scope", "wrote 67108864; the file contains 67108864")
}

// The root of the cgroup namespace is the scope, and the process is PID 1 in it.
func TestSystemdNamespace(t *testing.T) {
	b, _ := scoped(t, with(specs.CgroupNamespace, ""), testbundle.Sh("cat /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs | head -1"))
	b.Run().Prints(t, "0::/\n1")
}

func TestSystemdSlice(t *testing.T) {
	b, show := scoped(t)
	b.Spec.Linux.CgroupsPath = "minirun-test.slice::x" + b.ID
	b.Spec.Process.Args = []string{"cat", "/proc/self/cgroup"}
	b.Run().Prints(t, "0::/minirun.slice/minirun-test.slice/x"+b.ID+".scope")
	_ = show
	if out, err := exec.Command("systemctl", "stop", "minirun-test.slice", "minirun.slice").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A container that was OOM-killed leaves no failed unit.
func TestSystemdOutOfMemory(t *testing.T) {
	limit := int64(8 << 20)
	b, show := scoped(t, testbundle.Sh("x=$(head -c 20000000 /dev/zero | tr '\\0' x)"), func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit, Swap: &limit}
	})
	if r := b.Run(); r.Status == 0 {
		t.Error("it had enough")
	}
	if got := show("LoadState"); got != "not-found" {
		t.Errorf("the unit is %s", got)
	}
}

func TestSystemdErrors(t *testing.T) {
	b, _ := scoped(t)
	b.Spec.Linux.CgroupsPath = "/a/b"
	b.Run().Fails(t, "config.json: linux.cgroupsPath", "slice:prefix:name")
	b.Spec.Linux.CgroupsPath = "system.slice:dbus:x.slice"
	b.Run().Fails(t, "config.json: linux.cgroupsPath", "cannot have processes")
	b.Spec.Linux.CgroupsPath = ""
	b.Spec.Annotations = map[string]string{"org.systemd.property.NoSuchThing": "true"}
	b.Run().Fails(t, "NoSuchThing")
	b.Spec.Annotations = map[string]string{"org.systemd.property.TimeoutStopUSec": "soon"}
	b.Run().Fails(t, `config.json: annotations["org.systemd.property.TimeoutStopUSec"]`, "GVariant")
	b.Spec.Annotations = nil

	// The unit's name is already in use.
	unit := "minirun-" + b.ID + ".scope"
	other := exec.Command("systemd-run", "--quiet", "--scope", "--unit="+unit, "sleep", "1000")
	b.Start(other)
	for range 100 {
		if exec.Command("systemctl", "is-active", "--quiet", unit).Run() == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	r := b.Run()
	r.Fails(t, "linux.cgroupsPath", unit, "does not exist yet")
	if exec.Command("systemctl", "is-active", "--quiet", unit).Run() != nil {
		t.Error("the other's unit is gone")
	}
	_ = exec.Command("systemctl", "stop", unit).Run()
	_ = other.Wait()

	// minirun is installed without its helper.
	alone := filepath.Join(t.TempDir(), "minirun")
	data, err := os.ReadFile(testbundle.Binary)
	if err == nil {
		err = os.WriteFile(alone, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := b.Command("run", b.ID, b.Dir)
	cmd.Path = alone
	testbundle.Finish(t, cmd).Fails(t, "--systemd-cgroup", "minirun-systemd", "make install")
}

// stopBus stops the bus for some time: systemd answers late, or never.
func stopBus(t *testing.T) (goOn func()) {
	t.Helper()
	out, err := exec.Command("systemctl", "show", "dbus.service", "--value", "-p", "MainPID").Output()
	pid := strings.TrimSpace(string(out))
	if err != nil || pid == "0" {
		t.Skip("the machine has no dbus.service: ", err)
	}
	signal := func(s string) {
		if out, err := exec.Command("kill", s, pid).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	signal("-STOP")
	t.Cleanup(func() { signal("-CONT") })
	return func() { signal("-CONT") }
}

func TestSystemdAnswersLate(t *testing.T) {
	b, _ := scoped(t)
	goOn := stopBus(t)
	time.AfterFunc(2*time.Second, goOn)
	begin := time.Now()
	b.Detach().Exit(t, 0)
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it took %v: the bus was not stopped", took)
	}
	// `delete` does not need systemd: removing the cgroup also removes the unit.
	goOn = stopBus(t)
	begin = time.Now()
	r := b.Minirun("delete", "--force", b.ID)
	r.Exit(t, 0)
	if took := time.Since(begin); took > 10*time.Second || !strings.Contains(r.Stderr, "no answer in time") {
		t.Errorf("it took %v: %s", took, r.Stderr)
	}
	goOn()
}

// A signal ends a command that waits for systemd.
func TestSignalEndsWaitForSystemd(t *testing.T) {
	b, _ := scoped(t)
	b.Write()
	goOn := stopBus(t)
	cmd := b.Command("run", b.ID, b.Dir)
	b.Start(cmd)
	time.Sleep(500 * time.Millisecond)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_ = cmd.Wait()
	goOn()
	if took := time.Since(begin); took > 15*time.Second || cmd.ProcessState.ExitCode() != 128+15 {
		t.Errorf("%v after %v", cmd.ProcessState, took)
	}
}

func TestSystemdNeverAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for half a minute")
	}
	b, _ := scoped(t)
	stopBus(t)
	b.Run().Fails(t, "linux.cgroupsPath", "no answer in time")
}

// Without cgroup v2 minirun does not use systemd.
func TestSystemdOnV1(t *testing.T) {
	b := testbundle.New(t)
	if onV2(t) {
		t.Skip("the host has cgroup v2 alone")
	}
	b.Global = []string{"--systemd-cgroup"}
	b.Run().Fails(t, "--systemd-cgroup", "needs a host with only cgroup v2")
}

// TestSystemdRestore: systemd creates the scope before criu creates the processes, and the scope
// outlives the process for which it was created.
func TestSystemdRestore(t *testing.T) {
	b, show := scoped(t, func(s *specs.Spec) { s.Process.NoNewPrivileges = false }) // what stands in for criu does not restore it
	images := t.TempDir()
	fakeCRIU(t, b, `sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > /sys/fs/cgroup$root/cgroup.procs && echo $! > $pidfile`)
	detached(t, b)
	b.Minirun("checkpoint", "--image-path", images, b.ID).Exit(t, 0)
	testbundle.Reap()
	quiet(t, b.Command("restore", "--detach", "--bundle", b.Dir, "--image-path", images, b.ID))
	if got := show("ActiveState"); got != "active" {
		t.Errorf("the scope is %s, want active", got)
	}
	awaitStatus(t, b, specs.StateRunning)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
}
