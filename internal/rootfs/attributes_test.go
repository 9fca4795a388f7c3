package rootfs

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/spec"
)

// TestAttributesOfFlags: each flag of mount(2) becomes its attribute; the access time is one choice.
func TestAttributesOfFlags(t *testing.T) {
	const atime, nodiratime = unix.MOUNT_ATTR__ATIME, unix.MOUNT_ATTR_NODIRATIME
	for _, c := range []struct {
		name       string
		set, clear uintptr
		want       attr
	}{
		{"nothing", 0, 0, attr{}},
		{"ro,nosuid", unix.MS_RDONLY | unix.MS_NOSUID, 0, attr{set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}},
		{"rw,exec", 0, unix.MS_RDONLY | unix.MS_NOEXEC, attr{clr: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOEXEC}},
		{"nodev,dev", unix.MS_NODEV, unix.MS_NODEV, attr{set: unix.MOUNT_ATTR_NODEV}},
		{"nosymfollow", unix.MS_NOSYMFOLLOW, 0, attr{set: unix.MOUNT_ATTR_NOSYMFOLLOW}},
		{"noatime", unix.MS_NOATIME, 0, attr{set: unix.MOUNT_ATTR_NOATIME, clr: atime | nodiratime}},
		{"strictatime", unix.MS_STRICTATIME, 0, attr{set: unix.MOUNT_ATTR_STRICTATIME, clr: atime | nodiratime}},
		{"relatime", unix.MS_RELATIME, 0, attr{set: unix.MOUNT_ATTR_RELATIME, clr: atime | nodiratime}},
		{"nodiratime", unix.MS_NODIRATIME, 0, attr{set: nodiratime, clr: atime}},
		{"noatime,nodiratime", unix.MS_NOATIME | unix.MS_NODIRATIME, 0,
			attr{set: unix.MOUNT_ATTR_NOATIME | nodiratime, clr: atime}},
		{"atime", 0, unix.MS_NOATIME, attr{clr: atime}},
		{"nostrictatime", 0, unix.MS_STRICTATIME, attr{clr: atime}},
		{"norelatime", 0, unix.MS_RELATIME, attr{}},
		{"diratime", 0, unix.MS_NODIRATIME, attr{clr: nodiratime}},
		{"bind and rec are not attributes", unix.MS_BIND | unix.MS_REC, 0, attr{}},
	} {
		if got := attributesOf(c.set, c.clear); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestUnsetAttributes: what no flag sets is cleared, as mount(2) does for a bind mount.
func TestUnsetAttributes(t *testing.T) {
	all := unsetAttributes(0)
	if all != unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC|
		unix.MOUNT_ATTR_NOSYMFOLLOW {
		t.Errorf("without flags %#x is cleared", all)
	}
	if got := unsetAttributes(unix.MS_RDONLY | unix.MS_NODEV); got != all&^(unix.MOUNT_ATTR_RDONLY|
		unix.MOUNT_ATTR_NODEV) {
		t.Errorf("with ro,nodev %#x is cleared", got)
	}
}

// TestNamesFlags: bind and rbind alone leave the flags of the source.
func TestNamesFlags(t *testing.T) {
	for options, want := range map[string]bool{"bind": false, "rbind": false, "ro": true, "rw": true, "private": false,
		"rro": false, "size=1": false} {
		o, err := spec.ParseMountOptions([]string{options})
		if err != nil {
			t.Fatal(err)
		}
		if got := namesFlags(o); got != want {
			t.Errorf("%s names a flag: %t, want %t", options, got, want)
		}
	}
}
