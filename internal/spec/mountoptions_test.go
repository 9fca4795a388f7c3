package spec

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseMountOptions(t *testing.T) {
	const atime = unix.MOUNT_ATTR__ATIME
	for _, c := range []struct {
		options string // separated by spaces
		want    MountOptions
	}{
		{"", MountOptions{}},
		{"defaults", MountOptions{}},
		{"ro", MountOptions{Flags: unix.MS_RDONLY}},
		{"ro rw", MountOptions{ClearFlags: unix.MS_RDONLY}},
		{"rw ro", MountOptions{Flags: unix.MS_RDONLY}},
		{"nosuid nodev noexec", MountOptions{Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}},
		{"nosuid suid", MountOptions{ClearFlags: unix.MS_NOSUID}},
		{"bind", MountOptions{Flags: unix.MS_BIND}},
		{"rbind ro", MountOptions{Flags: unix.MS_BIND | unix.MS_REC | unix.MS_RDONLY}},
		{"sync async", MountOptions{ClearFlags: unix.MS_SYNCHRONOUS}},
		{"remount bind ro", MountOptions{Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY}},
		{"strictatime noatime", MountOptions{Flags: unix.MS_NOATIME}},
		{"noatime strictatime", MountOptions{Flags: unix.MS_STRICTATIME}},
		{"noatime relatime", MountOptions{Flags: unix.MS_RELATIME}},
		{"noatime atime", MountOptions{ClearFlags: unix.MS_NOATIME}},
		{"atime noatime", MountOptions{Flags: unix.MS_NOATIME}},
		{"relatime norelatime", MountOptions{ClearFlags: unix.MS_RELATIME}},
		{"nodiratime noatime", MountOptions{Flags: unix.MS_NODIRATIME | unix.MS_NOATIME}},
		{"nosymfollow", MountOptions{Flags: unix.MS_NOSYMFOLLOW}},
		{"shared rslave", MountOptions{Propagation: []uintptr{unix.MS_SHARED, unix.MS_SLAVE | unix.MS_REC}}},
		{"rprivate runbindable unbindable private slave rshared", MountOptions{Propagation: []uintptr{
			unix.MS_PRIVATE | unix.MS_REC, unix.MS_UNBINDABLE | unix.MS_REC, unix.MS_UNBINDABLE,
			unix.MS_PRIVATE, unix.MS_SLAVE, unix.MS_SHARED | unix.MS_REC}}},
		{"rro", MountOptions{RecSet: unix.MOUNT_ATTR_RDONLY}},
		{"rro rrw", MountOptions{RecClr: unix.MOUNT_ATTR_RDONLY}},
		{"rsuid rnosuid rnodev rdev", MountOptions{RecSet: unix.MOUNT_ATTR_NOSUID, RecClr: unix.MOUNT_ATTR_NODEV}},
		{"rnoexec rnosymfollow rnodiratime", MountOptions{
			RecSet: unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR_NODIRATIME}},
		{"rexec rsymfollow rdiratime", MountOptions{
			RecClr: unix.MOUNT_ATTR_NOEXEC | unix.MOUNT_ATTR_NOSYMFOLLOW | unix.MOUNT_ATTR_NODIRATIME}},
		{"rnoatime", MountOptions{RecSet: unix.MOUNT_ATTR_NOATIME, RecClr: atime}},
		{"rnoatime rstrictatime", MountOptions{RecSet: unix.MOUNT_ATTR_STRICTATIME, RecClr: atime}},
		{"rnoatime rrelatime", MountOptions{RecClr: atime}},
		{"rnoatime ratime", MountOptions{RecClr: atime}},
		{"rnostrictatime", MountOptions{RecClr: atime}},
		{"rrelatime rnorelatime", MountOptions{RecClr: atime}},
		{"rnoatime rnorelatime", MountOptions{RecClr: atime}},
		{"mode=755 size=65536k RO rrx a,b ro", MountOptions{
			Flags: unix.MS_RDONLY, Data: []string{"mode=755", "size=65536k", "RO", "rrx", "a,b"}}},
		{"tmpcopyup", MountOptions{TmpCopyUp: true}},
		{"idmap", MountOptions{IDMap: true}},
		{"ridmap", MountOptions{IDMap: true, RIDMap: true}},
		{"ridmap idmap", MountOptions{IDMap: true}},
	} {
		got, err := ParseMountOptions(strings.Fields(c.options))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", c.options, got, err, c.want)
		}
	}
}

func TestParseMountOptionsErrors(t *testing.T) {
	for _, bad := range []string{"", "a\x00b"} {
		_, err := ParseMountOptions([]string{"ro", bad})
		if err == nil || !blames(err, "options[1]") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestMountOptionNames: each listed option is accepted, and each option in the specification's
// table is listed.
func TestMountOptionNames(t *testing.T) {
	names := MountOptionNames()
	if !slices.IsSorted(names) {
		t.Error("not sorted")
	}
	for _, name := range names {
		if o, err := ParseMountOptions([]string{name}); err != nil || len(o.Data) > 0 {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
	for _, name := range tableOfOptions(t) {
		if !slices.Contains(names, name) {
			t.Errorf("%s is in config.md and not known here", name)
		}
	}
}

// tableOfOptions reads the first column of "Linux mount options" in config.md.
func tableOfOptions(t *testing.T) []string {
	text, err := os.ReadFile(specFile(t, "config.md"))
	if err != nil {
		t.Skipf("needs the text of the specification: %v", err)
	}
	_, table, _ := strings.Cut(string(text), "### <a name=\"configLinuxMountOptions\"")
	table, _, _ = strings.Cut(table, "### Example")
	var names []string
	for _, m := range regexp.MustCompile("(?m)^ `([a-z]+) *`").FindAllStringSubmatch(table, -1) {
		names = append(names, m[1])
	}
	if len(names) < 60 {
		t.Fatalf("read only %d options", len(names))
	}
	return names
}
