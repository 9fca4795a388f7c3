package openfiles

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// TestFailedDeviceNodesLeaveNothingOpen: only the error of the node that cannot be created is returned, and no
// other node stays open.
func TestFailedDeviceNodesLeaveNothingOpen(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes device nodes")
	}
	open := func() int {
		t.Helper()
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	null := plan.Node{Mode: unix.S_IFCHR | 0o666, Number: unix.Mkdev(1, 3)}
	files := []plan.File{
		{Open: plan.Device, Source: "linux.devices[0]", Name: "the device /dev/one", Node: null},
		{Open: plan.Device, Source: "linux.devices[1]", Name: "the device /dev/two",
			Node: plan.Node{Mode: unix.S_IFDIR}},
	}
	before := open()
	for range 10 { // the nodes are created in any order
		nodes, err := DeviceNodes(files, t.TempDir())
		if nodes != nil || !errors.Is(err, unix.EPERM) ||
			!strings.HasPrefix(err.Error(), "config.json: linux.devices[1]: make the device /dev/two: mknod: ") {
			t.Fatalf("%v, %v", nodes, err)
		}
		if strings.Contains(err.Error(), "invalid") {
			t.Fatalf("the error has another: %v", err)
		}
	}
	if after := open(); after != before {
		t.Errorf("%d descriptors are open, before it were %d", after, before)
	}
}
