package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// freezer returns the directory of a cgroup that can be frozen.
func freezer(t *testing.T, path string) string {
	t.Helper()
	if onV2(t) {
		return filepath.Join("/sys/fs/cgroup", path)
	}
	return filepath.Join("/sys/fs/cgroup/freezer", path)
}

func setFrozen(t *testing.T, path string, frozen bool) {
	t.Helper()
	file, value := "freezer.state", map[bool]string{true: "FROZEN", false: "THAWED"}[frozen]
	if onV2(t) {
		file, value = "cgroup.freeze", map[bool]string{true: "1", false: "0"}[frozen]
	}
	if err := os.WriteFile(filepath.Join(freezer(t, path), file), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

func makeFreezer(t *testing.T, path string) {
	t.Helper()
	dir := freezer(t, path)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // run creates the cgroup in the other hierarchies, and does not remove its parents
		others, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup/*", path))
		for _, dir := range append(others, dir) {
			_ = os.Remove(dir)
		}
	})
}

// A process in a frozen cgroup stops before its first instruction, and create would wait for it
// forever.
func TestFrozenCgroupIsRefused(t *testing.T) {
	for name, frozen := range map[string]string{"the cgroup itself": "/box", "the cgroup above it": ""} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("true"))
			outer := "/" + b.ID + "-frozen"
			makeFreezer(t, outer)
			makeFreezer(t, outer+"/box")
			setFrozen(t, outer+frozen, true)
			b.Spec.Linux.CgroupsPath = outer + "/box"
			b.Run().Fails(t, "linux.cgroupsPath", "frozen", freezer(t, outer+frozen))
			b.Minirun("create", b.ID, b.Dir).Fails(t, "linux.cgroupsPath", "frozen")
			setFrozen(t, outer+frozen, false)
			b.Run().Exit(t, 0)
		})
	}
}

// freezeInside moves the container's first process into a cgroup below the container's, as the
// container could do itself, and freezes it.
func freezeInside(t *testing.T, b *testbundle.Bundle, pid int) {
	t.Helper()
	makeFreezer(t, b.ID+"/inside")
	procs := filepath.Join(freezer(t, b.ID+"/inside"), "cgroup.procs")
	if err := os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
	setFrozen(t, b.ID+"/inside", true)
}

func TestKillAndDeleteOfContainerThatFrozeItself(t *testing.T) {
	for name, end := range map[string][]string{"delete": {"delete", "--force"}, "kill": {"kill"}, "kill all": {"kill", "--all"}} {
		t.Run(name, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Args("sleep", "1000"))
			pid := detached(t, b)
			freezeInside(t, b, pid)
			args := append(end, b.ID)
			if name != "delete" {
				args = append(args, "KILL")
			}
			b.Minirun(args...).Exit(t, 0)
			reap(pid)
			if name != "delete" {
				awaitStatus(t, b, specs.StateStopped)
			}
		})
	}
}

// A cgroup named by --cgroup may be frozen although the container is not.
func TestExecIntoFrozenCgroupIsRefused(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	detached(t, b)
	makeFreezer(t, b.ID+"/inside")
	setFrozen(t, b.ID+"/inside", true)
	controller := "freezer:/inside"
	if onV2(t) {
		controller = "/inside"
	}
	b.Minirun("exec", "--cgroup", controller, b.ID, "true").Fails(t, "cannot exec in a paused container")
	setFrozen(t, b.ID+"/inside", false)
	b.Minirun("exec", "--cgroup", controller, b.ID, "true").Exit(t, 0)
}
