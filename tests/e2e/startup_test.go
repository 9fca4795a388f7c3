package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestNoPackageInitialization: no package of minirun's own does work before main, except
// internal/startup. Each that does costs every process a page fault in its code and its allocations:
// eight of them took 1.5 % of a `delete`. Maps, sync.OnceValue and strings.NewReplacer in package
// variables are such work; a switch and a sync.Once are not.
func TestNoPackageInitialization(t *testing.T) {
	cmd := exec.Command(testbundle.Binary, "--version")
	cmd.Env = append(cmd.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const ours, permitted = "init github.com/minirun/minirun/", "internal/startup"
	if !strings.Contains(string(out), ours+permitted) {
		t.Fatalf("the Go runtime does not report packages: %s", out)
	}
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(line, ours); ok && !strings.HasPrefix(name, permitted) {
			t.Errorf("initialized before main: %s", line)
		}
	}
}
