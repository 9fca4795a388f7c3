package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestIntelRdtNeedsResctrl: without the resctrl file system, a container that requests a group is not
// created, and the message explains why. Package container tests the rest, on a directory in its
// place.
func TestIntelRdtNeedsResctrl(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), " - resctrl ") {
		t.Skip("resctrl is mounted here")
	}
	for name, rdt := range map[string]specs.LinuxIntelRdt{
		"empty": {}, "class": {ClosID: "gold"}, "default class": {ClosID: "/"}, "schemata": {Schemata: []string{"L3:0=f"}}, "monitoring": {EnableMonitoring: true},
	} {
		t.Run(name, func(t *testing.T) {
			testbundle.New(t, func(s *specs.Spec) { s.Linux.IntelRdt = &rdt }).Run().Fails(t, "config.json: linux.intelRdt: resctrl is not mounted")
		})
	}
	b := testbundle.New(t, testbundle.Sh("sleep 100"))
	b.Detach().Exit(t, 0)
	b.Minirun("update", "--mem-bw-schema", "MB:0=20", b.ID).Fails(t, "update --mem-bw-schema: resctrl is not mounted")
	b.Minirun("update", "--mem-bw-schema", "L3:0=f", b.ID).Fails(t, "must be one line")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}
