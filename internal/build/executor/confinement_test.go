package executor

import (
	"slices"
	"testing"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/tests/confinement"
)

// TestDefaultConfinement compares RUN with a Docker container. The tests of masks that exist
// only on some hosts are in tests/images.
func TestDefaultConfinement(t *testing.T) {
	c, err := newConfig(&graph.Run{Argv: []string{"sh"}, Cwd: "/"}, facts{network: "host", masks: spec.HostMasks("/")})
	if err != nil {
		t.Fatal(err)
	}
	confinement.CompareWithDocker(t, c, confinement.Declared{
		"-namespace network":              "RUN has the host's network, as a build without a bridge has",
		"-capability CAP_NET_RAW: *":      "with it, RUN could read the packets of the host's network, which it is in",
		"-namespace time":                 "without offsets it hides nothing, and kernels before 5.6 do not have it",
		"-device rule: *":                 "the runtime allows the default devices (runtime-spec, config-linux.md), and the first rule denies all others",
		"+mount /dev/shm: size=65536k":    "the Docker daemon sets the same size when it creates a container",
		"+mount /sys/fs/cgroup: relatime": "the kernel's default, written as `runc spec` writes it",
	})
}

// The masks of the host are part of the configuration of a step.
func TestConfigHasMasksOfHost(t *testing.T) {
	op := &graph.Run{Argv: []string{"sh"}, Cwd: "/"}
	c, err := newConfig(op, facts{network: "host", masks: []string{"/sys/x"}})
	if err != nil || !slices.Contains(c.Linux.MaskedPaths, "/sys/x") {
		t.Errorf("%v, %v", c.Linux.MaskedPaths, err)
	}
}
