package rootfs

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestMountLabel: with SELinux the kernel refuses a label for its own file systems (EINVAL), and without
// SELinux for all.
func TestMountLabel(t *testing.T) {
	const label = "system_u:object_r:container_file_t:s0"
	c := &compiler{spec: &specs.Spec{Linux: &specs.Linux{MountLabel: label}}, in: Input{SELinux: true}}
	for fstype, want := range map[string]string{"tmpfs": label, "devpts": label, "proc": "", "sysfs": "", "mqueue": "", "cgroup": "", "cgroup2": ""} {
		if got := c.mountLabel(fstype); got != want {
			t.Errorf("%s: %q, want %q", fstype, got, want)
		}
	}
	c.in.SELinux = false
	if got := c.mountLabel("tmpfs"); got != "" {
		t.Errorf("without SELinux: %q", got)
	}
}
