package namespaces

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestMapLines(t *testing.T) {
	maps := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1},
		{ContainerID: 1, HostID: 100000, Size: 65536}}
	if got, want := Lines(maps), []string{"0 1000 1", "1 100000 65536"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got, err := parseMap("         0       1000          1\n         1     100000      65536\n")
	if err != nil || !slices.Equal(got, maps) {
		t.Errorf("parsed %v, %v; want %v", got, err, maps)
	}
	for _, text := range []string{"0 1000\n", "0 x 1\n", "0 1 -1\n", "0 1 4294967296\n"} {
		if got, err := parseMap(text); err == nil {
			t.Errorf("%q is parsed as %v", text, got)
		}
	}
}

// TestMappedIDs: the first and the last ID of a range are mapped, those around it are not.
func TestMappedIDs(t *testing.T) {
	maps := []specs.LinuxIDMapping{{ContainerID: 10, HostID: 0, Size: 5}, {ContainerID: math.MaxUint32 - 1, Size: 2}}
	for id, want := range map[uint32]bool{9: false, 10: true, 14: true, 15: false, math.MaxUint32: true,
		math.MaxUint32 - 2: false} {
		if got := Maps(maps, id); got != want {
			t.Errorf("%d is mapped: %t, want %t", id, got, want)
		}
	}
}

// TestSameMappings: the kernel reports more than five lines in another order.
func TestSameMappings(t *testing.T) {
	a := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 5, Size: 1}, {ContainerID: 1, HostID: 9, Size: 2}}
	b := []specs.LinuxIDMapping{a[1], a[0]}
	if !sameMappings(a, b) {
		t.Error("the order of the lines makes a difference")
	}
	if a[0].ContainerID != 0 || b[0].ContainerID != 1 {
		t.Error("the comparison has sorted its arguments")
	}
	b[0].Size++
	if sameMappings(a, b) || sameMappings(a, a[:1]) {
		t.Error("different maps are equal")
	}
}

// TestAdapt: the user and the group must be mapped, unmapped additional groups are dropped.
func TestAdapt(t *testing.T) {
	uids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 10}}
	gids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 5}}
	user := specs.User{UID: 9, GID: 4, AdditionalGids: []uint32{1, 7, 4, 5}}
	given := user.AdditionalGids
	if err := Adapt(&user, uids, gids); err != nil || !slices.Equal(user.AdditionalGids, []uint32{1, 4}) {
		t.Errorf("%v, %v; want the groups 1 and 4", user.AdditionalGids, err)
	}
	if !slices.Equal(given, []uint32{1, 7, 4, 5}) {
		t.Errorf("the caller's list was changed: %v", given)
	}
	for want, user := range map[string]specs.User{"uid 10": {UID: 10}, "gid 5": {GID: 5}} {
		if err := Adapt(&user, uids, gids); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%+v: %v, want an error about %s", user, err, want)
		}
	}
}

// TestSubordinateIDs: ranges of the user, by name or number, follow each other from ID 1 on.
func TestSubordinateIDs(t *testing.T) {
	const text = "ann:100000:65536\nbob:200000:65536\n1000:300000:10\n" +
		"ann:x:1\nann:1:2:3\nann:400000:0\n\nann:4294967290:10\n"
	for _, c := range []struct {
		name string
		uid  int
		want []string
	}{
		{"ann", 1000, []string{"1 100000 65536", "65537 300000 10"}},
		{"bob", 1001, []string{"1 200000 65536"}},
		{"", 1000, []string{"1 300000 10"}}, // a user without a name
		{"eve", 7, []string{}},
	} {
		if got := Lines(subordinateIDs(text, c.name, c.uid)); !slices.Equal(got, c.want) {
			t.Errorf("%s (%d): %q, want %q", c.name, c.uid, got, c.want)
		}
	}
}

func TestOwnID(t *testing.T) {
	for _, c := range []struct {
		maps []specs.LinuxIDMapping
		want bool
	}{
		{[]specs.LinuxIDMapping{{HostID: 1000, Size: 1}}, true},
		{[]specs.LinuxIDMapping{{ContainerID: 5, HostID: 1000, Size: 1}}, true},
		{[]specs.LinuxIDMapping{{HostID: 1000, Size: 2}}, false},
		{[]specs.LinuxIDMapping{{HostID: 1001, Size: 1}}, false},
		{[]specs.LinuxIDMapping{{HostID: 1000, Size: 1}, {ContainerID: 1, HostID: 5, Size: 1}}, false},
		{nil, false},
	} {
		if got := isOwnID(c.maps, 1000); got != c.want {
			t.Errorf("%v: %t, want %t", c.maps, got, c.want)
		}
	}
}

func TestTimeOffsetLines(t *testing.T) {
	got := timeOffsetLines(map[string]specs.LinuxTimeOffset{"boottime": {Secs: -5},
		"monotonic": {Secs: 7, Nanosecs: 9}})
	if want := "monotonic 7 9\nboottime -5 0\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := timeOffsetLines(map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1}}); got != "boottime 1 0\n" {
		t.Errorf("only one clock: %q", got)
	}
}

// TestIdentityMap: root of a user namespace gives a container the IDs that it has itself.
func TestIdentityMap(t *testing.T) {
	got := mapIdentically([]specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 1},
		{ContainerID: 1, HostID: 100000, Size: 9}})
	if want := []string{"0 0 1", "1 1 9"}; !slices.Equal(Lines(got), want) {
		t.Errorf("%q, want %q", Lines(got), want)
	}
}
