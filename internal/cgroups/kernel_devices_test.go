package cgroups

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDeviceList: the v1 kernel has exactly these rules, and enforces them.
func TestDeviceList(t *testing.T) {
	h, g := realGroup(t)
	if !h.has("devices") {
		t.Skip("no v1 devices controller")
	}
	opens := func(path string) bool {
		return startInGroup(t, g, "sh", "-c", "exec 3<>"+path).Wait() == nil
	}
	for _, c := range []struct {
		json       string
		zero, kmsg bool
	}{
		{`null`, true, false},
		{`{"devices":[{"allow":true,"access":"rwm"}]}`, true, true},
		{`{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]}`, true, false},
		{`{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"rw"}]}`, true, true},
		{`{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","access":"rwm"}]}`, true, false},
	} {
		if err := g.Apply(compileJSON(t, h, c.json)); err != nil {
			t.Fatalf("%s: %v", c.json, err)
		}
		if got := opens("/dev/zero"); got != c.zero {
			t.Errorf("%s: open /dev/zero: %v", c.json, got)
		}
		if _, err := os.Stat("/dev/kmsg"); err == nil {
			if got := opens("/dev/kmsg"); got != c.kmsg {
				t.Errorf("%s: open /dev/kmsg for writing: %v", c.json, got)
			}
		}
	}
}

// TestDeviceProgram loads the program on the v2 tree, where the kernel enforces it even if there is
// also a v1 devices controller.
func TestDeviceProgram(t *testing.T) {
	h, g := realGroup(t)
	if h.V2 == nil {
		t.Skip("no v2 tree to attach a device program to")
	}
	only2 := &Host{Mode: V2, V2: h.V2}
	g2 := only2.Group("/" + filepath.Base(g.Paths()[""]))
	opens := func(path string) bool {
		return startInGroup(t, g2, "sh", "-c", "exec 3<>"+path).Wait() == nil
	}
	for round, c := range []struct {
		json       string
		zero, kmsg bool
	}{
		{`null`, true, false},
		{`{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]}`, true, false},
		{`{"devices":[{"allow":true,"access":"rwm"}]}`, true, true},
		{`{"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"w"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}`, true, true},
		{`{"devices":[{"allow":true,"type":"c","major":1,"access":"rw"},{"allow":false,"type":"c","major":1,"minor":11,"access":"r"}]}`, true, false},
	} {
		err := g2.Apply(compileJSON(t, only2, c.json))
		if round == 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS)) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if z, k := opens("/dev/zero"), opens("/dev/kmsg"); z != c.zero || k != c.kmsg {
			t.Errorf("%s: zero %v kmsg %v", c.json, z, k)
		}
		dir, _ := os.Open(g2.Paths()[""])
		if ids, err := attached(dir); err != nil || len(ids) != 1 {
			t.Errorf("%d programs attached, %v", len(ids), err)
		}
		dir.Close()
	}
}
