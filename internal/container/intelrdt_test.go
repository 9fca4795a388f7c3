package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/exec"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/resctrl"
	"github.com/minirun/minirun/internal/spec"
)

// rdtContainer returns a busybox container on a host whose resctrl file system is a plain
// directory, where writing a file creates it.
func rdtContainer(t *testing.T, change func(*specs.Spec)) (o Options, p purpose, resctrlRoot string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: it runs a container")
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("needs a static busybox: ", err)
	}
	dir := t.TempDir()
	s := spec.Default(false)
	s.Process.Terminal, s.Process.Args = false, []string{"/bin/busybox", "sleep", "1000"}
	s.Linux.CgroupsPath = fmt.Sprintf("/minirun-rdt-%d", os.Getpid())
	change(s)
	config, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{"bundle/rootfs/bin/busybox": busybox, "bundle/config.json": config,
		"resctrl/mon_groups/x": nil, "resctrl/schemata": []byte("L3:0=ff\n")} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	resctrlRoot = filepath.Join(dir, "resctrl")
	o = Options{
		Root: filepath.Join(dir, "state"), ID: "web", Bundle: filepath.Join(dir, "bundle"),
		Warn: func(w any) { t.Log(w) },
	}
	p.findResctrl = func() (string, error) { return resctrlRoot, nil }
	t.Cleanup(func() {
		if _, err := Delete(Deletion{Root: o.Root, ID: o.ID, Force: true, Check: func(string) error { return nil }}); err != nil {
			t.Error(err)
		}
	})
	return o, p, resctrlRoot
}

func fileText(path ...string) string {
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(text))
}

// TestIntelRdtGroupFollowsTheContainer checks the life of a container in its own resctrl group.
func TestIntelRdtGroupFollowsTheContainer(t *testing.T) {
	o, p, root := rdtContainer(t, func(s *specs.Spec) {
		s.Linux.IntelRdt = &specs.LinuxIntelRdt{L3CacheSchema: "L3:0=f", EnableMonitoring: true}
	})
	c, err := create(o, p)
	if err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(c.Pid)
	c.Close()
	if got := [3]string{fileText(root, "web/schemata"), fileText(root, "web/tasks"),
		fileText(root, "web/mon_groups/web/tasks")}; got != [3]string{"L3:0=f", pid, pid} {
		t.Errorf("created with process %s: %q", pid, got)
	}
	if err := Start(o.Root, o.ID, "", o.Warn); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.Run(exec.Options{Root: o.Root, ID: o.ID, Args: []string{"/bin/busybox", "true"},
		Warn: o.Warn}); err != nil {
		t.Fatal(err)
	}
	if got := fileText(root, "web/mon_groups/web/tasks"); got == pid || got == "none" {
		t.Errorf("after exec the last task is %s", got)
	}
	if err := control.Update(o.Root, o.ID, &specs.LinuxResources{}, control.RdtSchemas{L3Cache: "L3:0=3"}); err != nil {
		t.Fatal(err)
	}
	event, err := control.Sample(o.Root, o.ID)
	if err != nil || event.Data.IntelRdt.L3Schema != "L3:0=3" || event.Data.IntelRdt.L3SchemaRoot != "L3:0=ff" {
		t.Errorf("events: %+v, %v", event, err)
	}
	if _, err := Delete(Deletion{Root: o.Root, ID: o.ID, Force: true, Check: func(string) error { return nil }}); err != nil {
		t.Fatal(err)
	}
	if got := fileText(root, "web/schemata"); got != "none" || fileText(root, "schemata") != "L3:0=ff" {
		t.Errorf("after delete: %q", got)
	}
}

// TestIntelRdtUpdateMakesGroup: a container without a group gets one, as in runc.
func TestIntelRdtUpdateMakesGroup(t *testing.T) {
	o, p, root := rdtContainer(t, func(*specs.Spec) {})
	c, err := create(o, p)
	if err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(c.Pid)
	c.Close()
	h, err := record.Acquire(o.Root, o.ID, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.UpdateRdt(h, control.RdtSchemas{MemoryBandwidth: "MB:0=20"}, p.findResctrl)
	h.Lock.Release()
	if err != nil || fileText(root, "web/schemata") != "MB:0=20" || fileText(root, "web/tasks") != pid {
		t.Errorf("%v: schemata %q, tasks %q", err, fileText(root, "web/schemata"), fileText(root, "web/tasks"))
	}
	if _, err := Delete(Deletion{Root: o.Root, ID: o.ID, Force: true, Check: func(string) error { return nil }}); err != nil || fileText(root, "web/schemata") != "none" {
		t.Errorf("after delete: %q, %v", fileText(root, "web/schemata"), err)
	}
}

// TestIntelRdtFailureLeavesNothing: a failure leaves neither a group nor a class that was created
// for the container. An existing class does not change.
func TestIntelRdtFailureLeavesNothing(t *testing.T) {
	failingHook := &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/false"}}}
	for name, c := range map[string]struct {
		rdt   specs.LinuxIntelRdt
		class string // already exists
	}{
		"a group of its own": {specs.LinuxIntelRdt{EnableMonitoring: true}, ""},
		"a new class":        {specs.LinuxIntelRdt{ClosID: "gold", Schemata: []string{"L3:0=f"}}, ""},
		"a prepared class":   {specs.LinuxIntelRdt{ClosID: "gold", EnableMonitoring: true}, "gold"},
	} {
		t.Run(name, func(t *testing.T) {
			o, p, root := rdtContainer(t, func(s *specs.Spec) { s.Linux.IntelRdt, s.Hooks = &c.rdt, failingHook })
			if c.class != "" {
				if err := os.Mkdir(filepath.Join(root, c.class), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if container, err := create(o, p); err == nil {
				container.Close()
				t.Fatal("a container whose hook fails was created")
			}
			entries, err := os.ReadDir(root)
			var left []string
			for _, e := range entries {
				left = append(left, e.Name())
			}
			want := strings.Fields(c.class + " mon_groups schemata")
			if err != nil || strings.Join(left, " ") != strings.Join(want, " ") {
				t.Errorf("left: %q, want %q: %v", left, want, err)
			}
			if groups, _ := filepath.Glob(filepath.Join(root, "*/mon_groups/web")); len(groups) > 0 {
				t.Errorf("left: %q", groups)
			}
		})
	}
}

// TestIntelRdtWithoutResctrlIsRefused: the error is returned before anything is created.
func TestIntelRdtWithoutResctrlIsRefused(t *testing.T) {
	o, p, _ := rdtContainer(t, func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{} })
	p.findResctrl = func() (string, error) { return "", resctrl.ErrNotMounted }
	_, err := create(o, p)
	if !errors.Is(err, resctrl.ErrNotMounted) || !strings.Contains(err.Error(), "linux.intelRdt") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(o.directory()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a state directory is left: %v", err)
	}
}

// TestUpdateIntelRdtWithoutCgroup: update needs a cgroup only for limits, and finds all processes of a
// container without one.
func TestUpdateIntelRdtWithoutCgroup(t *testing.T) {
	o, p, root := rdtContainer(t, func(s *specs.Spec) {
		s.Linux.Resources, s.Linux.CgroupsPath = nil, ""
		s.Process.Args = []string{"/bin/busybox", "sh", "-c", "/bin/busybox sleep 1000 & wait"}
	})
	o.NoCgroup = true
	c, err := create(o, p)
	if err == nil {
		c.Close()
		err = Start(o.Root, o.ID, "", o.Warn)
	}
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for until := time.Now().Add(20 * time.Second); len(pids) != 2; time.Sleep(time.Millisecond) {
		if pids, err = control.Processes(o.Root, o.ID); err != nil || time.Now().After(until) {
			t.Fatalf("the container has the processes %v: %v", pids, err)
		}
	}
	h, err := record.Acquire(o.Root, o.ID, unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.UpdateRdt(h, control.RdtSchemas{MemoryBandwidth: "MB:0=20"}, p.findResctrl)
	h.Lock.Release()
	if got := fileText(root, "web/tasks"); err != nil || got != strconv.Itoa(pids[1]) {
		t.Errorf("%v: the last of the processes %v in the group is %s", err, pids, got)
	}
	nothing := &specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}}
	err = control.Update(o.Root, o.ID, nothing, control.RdtSchemas{MemoryBandwidth: "MB:0=30"})
	if got := fileText(root, "web/schemata"); err != nil || got != "MB:0=30" {
		t.Errorf("%v: schemata %q", err, got)
	}
	limit := int64(9)
	for _, s := range []control.RdtSchemas{{}, {MemoryBandwidth: "MB:0=40"}} {
		if err := control.Update(o.Root, o.ID, &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &limit}},
			s); err == nil || !strings.Contains(err.Error(), "no cgroup") {
			t.Errorf("a limit for a container without a cgroup: %v", err)
		}
	}
	if got := fileText(root, "web/schemata"); got != "MB:0=30" {
		t.Errorf("a refused update leaves the schemata %q", got)
	}
}
