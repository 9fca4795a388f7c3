package spec

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestHostMasksExistOnHost(t *testing.T) {
	root := t.TempDir()
	static := []string{"/proc/interrupts", "/sys/devices/virtual/powercap"}
	if got := HostMasks(root); !slices.Equal(got, static) {
		t.Errorf("without sysfs: got %q, want %q", got, static)
	}
	for _, dir := range []string{"cpu0/thermal_throttle", "cpu1", "cpu10/thermal_throttle", "cpufreq/thermal_throttle",
		"cpuidle"} {
		if err := os.MkdirAll(filepath.Join(root, "sys/devices/system/cpu", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	want := append(static, "/sys/devices/system/cpu/cpu0/thermal_throttle",
		"/sys/devices/system/cpu/cpu10/thermal_throttle")
	if got := HostMasks(root); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
