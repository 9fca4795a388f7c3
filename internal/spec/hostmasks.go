package spec

import (
	"os"
	"path/filepath"
	"strings"
)

// HostMasks returns the masked paths that a default configuration has in addition to
// those of [Default]: files with which a container could measure the power consumption
// of the host (GHSA-jq35-85cj-fj4p) or the interrupts caused by others
// (GHSA-6fw5-f8r9-fgfm). The thermal counters are those of the host's CPUs with files
// below root; a CPU without one is omitted.
func HostMasks(root string) []string {
	masks := []string{"/proc/interrupts", "/sys/devices/virtual/powercap"}
	const cpus = "/sys/devices/system/cpu"
	entries, err := os.ReadDir(filepath.Join(root, cpus))
	if err != nil {
		return masks // no sysfs, so a container has none either
	}
	for _, e := range entries {
		number, isCPU := strings.CutPrefix(e.Name(), "cpu")
		if !isCPU || strings.Trim(number, "0123456789") != "" {
			continue // cpufreq, cpuidle
		}
		p := filepath.Join(cpus, e.Name(), "thermal_throttle")
		if _, err := os.Lstat(filepath.Join(root, p)); err == nil {
			masks = append(masks, p)
		}
	}
	return masks
}
