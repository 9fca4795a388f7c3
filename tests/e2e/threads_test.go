package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// holdsNoNamespace fails the test if a thread of minirun is in a different namespace from the test's.
func holdsNoNamespace(t *testing.T, minirun int, kind string) {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(minirun) + "/task/"
	tasks, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		its, err := os.Readlink(dir + task.Name() + "/ns/" + kind)
		if err == nil && its != testbundle.Namespace("thread-self", kind) {
			t.Errorf("thread %s of minirun, %d, is in %s", task.Name(), minirun, its)
		}
	}
}

// TestRunHoldsNoNamespace: a minirun that stays with a container has no thread left in a namespace
// that it entered temporarily. Such a thread would keep all mounts of the host busy, or prevent the
// container's network devices from returning to the host.
func TestRunHoldsNoNamespace(t *testing.T) {
	check := func(t *testing.T, b *testbundle.Bundle, kind string) {
		t.Helper()
		cmd := b.Command("run", b.ID, writtenDir(b))
		b.Start(cmd)
		testbundle.Await(t, "the container", func() bool { return strings.Contains(b.Minirun("state", b.ID).Stdout, `"running"`) })
		holdsNoNamespace(t, cmd.Process.Pid, kind)
		b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
		_ = cmd.Wait()
	}
	t.Run("devices in a user namespace", func(t *testing.T) {
		b := testbundle.New(t, userns, testbundle.Args("sleep", "1000"))
		b.Spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/one", Type: "c", Major: 1, Minor: 5}}
		check(t, b, "mnt")
	})
	t.Run("network devices", func(t *testing.T) {
		ownNetwork(t)
		check(t, testbundle.New(t, testbundle.Args("sleep", "1000"), netDevices("v0", "c0")), "net")
	})
}
