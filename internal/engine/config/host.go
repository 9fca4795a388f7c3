package config

import (
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
)

// A Host is what the configuration of a container depends on.
type Host struct {
	Network      string // the mode
	Unified      bool   // only cgroups version 2
	Systemd      bool   // --systemd-cgroup
	AppArmor     string // the default profile, "" where containers cannot have it
	Capabilities func() (known, own []string)
	Devices      func() ([]specs.LinuxDevice, error)
	ProcessOf    func(container string) (pid int, err error)
}

// knownCapabilities returns the names of the capabilities that the kernel has.
func knownCapabilities() []string {
	known := spec.CapabilityNames()
	text, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return known
	}
	last, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || last >= len(known) {
		return known
	}
	return known[:last+1]
}

// Capabilities returns the capabilities that the kernel has, and those that minirun can give to a
// container.
func Capabilities() (known, own []string) {
	known = knownCapabilities()
	if namespaces.Unprivileged() { // it has all of them in its user namespace
		return known, known
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return known, known
	}
	for n, name := range known {
		if data[n/32].Permitted&(1<<(n%32)) != 0 {
			own = append(own, name)
		}
	}
	return known, own
}
