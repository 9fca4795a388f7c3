package inspect

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseStatus(t *testing.T) {
	got := parseStatus("Name:\tsh\nTgid:\t7\nUid:\t0\t1\t2  3\nCapEff:\t00000000a80425fb\nGroups:\t \n")
	want := map[string]string{"Name": "sh", "Uid": "0 1 2 3", "CapEff": "00000000a80425fb", "Groups": ""}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPropagationTypes(t *testing.T) {
	for optional, want := range map[string]string{
		"": "private", "shared:3": "shared", "master:4": "slave", "shared:3 master:4": "shared and slave",
		"master:4 propagate_from:2": "slave", "unbindable": "unbindable",
	} {
		if got := propagationType(optional); got != want {
			t.Errorf("%q is %s, want %s", optional, got, want)
		}
	}
}

// TestNewMountIsNotAPropagationChange: a mount that is added changes the number of private mounts, and
// nothing about the others.
func TestNewMountIsNotAPropagationChange(t *testing.T) {
	before := Facts{Mounts: []string{"/: ext4"}, Propagation: map[string]string{"/: ext4": "private"}}
	after := Facts{Mounts: []string{"/: ext4", "/proc: proc"},
		Propagation: map[string]string{"/: ext4": "private", "/proc: proc": "private"}}
	if got := after.Changes(before); !slices.Equal(got, []Change{{MountChange, "mount added: /proc: proc"}}) {
		t.Errorf("the changes are %v", got)
	}
}

// TestChanges: each difference is one change of its kind; equal facts have none.
func TestChanges(t *testing.T) {
	before := Facts{
		Namespaces:  map[string]string{"mnt": "mnt:[1]", "uts": "uts:[1]"},
		Mounts:      []string{"/: ext4", "/a: tmpfs", "/a: tmpfs"},
		Status:      map[string]string{"Uid": "0 0 0 0", "CapBnd": "ff"},
		Cgroup:      "4:memory:/\n0::/",
		Propagation: map[string]string{"/: ext4": "shared", "/a: tmpfs": "private"},
	}
	after := Facts{
		Namespaces:  map[string]string{"mnt": "mnt:[2]", "uts": "uts:[1]"},
		Mounts:      []string{"/: ext4", "/a: tmpfs", "/proc: proc"},
		Status:      map[string]string{"Uid": "1 1 1 1", "CapBnd": "ff"},
		Cgroup:      "4:memory:/web\n0::/",
		Propagation: map[string]string{"/: ext4": "slave", "/a: tmpfs": "private", "/proc: proc": "slave"},
	}
	want := []Change{
		{NamespaceChange, "namespace mnt: mnt:[1] → mnt:[2]"},
		{MountChange, "propagation of 1 mount: shared → slave"},
		{MountChange, "mount removed: /a: tmpfs"},
		{MountChange, "mount added: /proc: proc"},
		{StatusChange, "Uid: 0 0 0 0 → 1 1 1 1"},
		{CgroupChange, "cgroup memory: / → /web"},
	}
	if got := after.Changes(before); !slices.Equal(got, want) {
		t.Errorf("the changes are\n%v\nwant\n%v", got, want)
	}
	if got := after.Changes(after); len(got) > 0 {
		t.Errorf("no difference: %v", got)
	}
	if got := after.Changes(Facts{}); !slices.Contains(got, Change{CgroupChange, "cgroup v2: none → /"}) {
		t.Errorf("the cgroup of version 2 is not named: %v", got)
	}
}

func TestCapabilitiesText(t *testing.T) {
	const all = "000001ffffffffff"
	for hex, want := range map[string]string{
		"0000000000000000": "(none)",
		all:                "(all)",
		"000001fffeffffff": "(all but CAP_SYS_RESOURCE)",
		"0000000020000020": "(CAP_KILL CAP_AUDIT_WRITE)",
		"not a number":     "",
	} {
		if got := Capabilities(hex); got != want {
			t.Errorf("%s: %q, want %q", hex, got, want)
		}
	}
}

func TestMapID(t *testing.T) {
	const idMap = "         0       1000          1\n         1     100000      65536\n"
	for id, want := range map[string]string{
		"1000": "0", "100000": "1", "165535": "65536", "165536": "not mapped", "0": "not mapped", "x": "?",
	} {
		if got := mapID(idMap, id); got != want {
			t.Errorf("%s is %q inside, want %q", id, got, want)
		}
	}
}

func TestSizeText(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 64 << 20: "64 MiB", 1<<30 + 1<<29: "1.5 GiB",
	} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestViewText: the text has a section for each list that is not empty.
func TestViewText(t *testing.T) {
	v := &View{
		ID: "web", Status: "running", Bundle: "/b",
		Process: []Pair{{Name: "pid", Host: "7", Container: "1"}},
		Limits:  []Limit{{"memory", "64 MiB", "1 MiB"}},
		Mounts:  []string{"/: overlay\x1b[31m"},
	}
	var out strings.Builder
	if err := v.Text(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"web", "PROCESS", "CGROUP", "64 MiB", "MOUNTS"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, absent := range []string{"NAMESPACE", "LAYERS", "DESCRIPTORS", "\x1b"} {
		if strings.Contains(out.String(), absent) {
			t.Errorf("%q in\n%s", absent, out.String())
		}
	}
}
