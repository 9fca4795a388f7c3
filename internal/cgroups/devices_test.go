package cgroups_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cgroups/cgroupfs"
	"github.com/minirun/minirun/internal/cgroups/group"
	"github.com/minirun/minirun/internal/cgroups/host"
	"github.com/minirun/minirun/internal/cgroups/resources"
)

// TestDeviceList: the v1 kernel has exactly these rules, and enforces them.
func TestDeviceList(t *testing.T) {
	h, g := newGroup(t)
	if !h.HasV1("devices") {
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
		if err := resources.Apply(g, compile(t, h, c.json)); err != nil {
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
	h, g := newGroup(t)
	if h.V2 == nil {
		t.Skip("no v2 tree to attach a device program to")
	}
	only2 := &host.Host{Mode: host.V2, V2: h.V2}
	g2 := group.New(only2, "/"+filepath.Base(g.Paths()[""]))
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
		err := resources.Apply(g2, compile(t, only2, c.json))
		if round == 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS)) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if z, k := opens("/dev/zero"), opens("/dev/kmsg"); z != c.zero || k != c.kmsg {
			t.Errorf("%s: zero %v kmsg %v", c.json, z, k)
		}
		if n, err := countDevicePrograms(g2.V2Directory()); err != nil || n != 1 {
			t.Errorf("%d programs attached, %v", n, err)
		}
	}
}

// countDevicePrograms returns the number of device programs attached to a cgroup itself
// (BPF_PROG_QUERY of bpf(2)).
func countDevicePrograms(path string) (int, error) {
	dir, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	attr := struct { // the part of union bpf_attr for this command
		target, attachType, queryFlags, attachFlags uint32
		ids                                         uint64
		count                                       uint32
		_                                           [484]byte
	}{target: uint32(dir.Fd()), attachType: unix.BPF_CGROUP_DEVICE}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_QUERY, uintptr(unsafe.Pointer(&attr)), 32)
	if errno != 0 {
		return 0, errno
	}
	return int(attr.count), nil
}

// TestUpdateDevices: while rules are replaced repeatedly, including by rules with a different
// default, a process can always open a device that all of them allow.
func TestUpdateDevices(t *testing.T) {
	h, g := newGroup(t)
	if !h.HasV1("devices") {
		t.Skip("no v1 controller devices")
	}
	// Only shell built-ins: the only file that it opens is /dev/zero.
	failed := filepath.Join(t.TempDir(), "failed")
	cmd := startInGroup(t, g, "sh", "-c", "while :; do true </dev/zero || echo no >> "+failed+"; done")
	g = group.OpenOn(h, g.Paths())
	documents := []string{
		`{"devices":[{"allow":false,"access":"rwm"}]}`,
		`{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}`,
		`{"devices":[{"allow":true,"access":"rwm"}]}`,
		`{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":1,"minor":11,"access":"w"}]}`,
	}
	lists := []string{"c 1:3 rwm", "c 1:11 r", "a *:* rwm", "a *:* rwm"}
	for i := range 1000 {
		n := i * 7 % len(documents) // covers all pairs of successive documents
		if i%2 == 1 {
			n = i % len(documents)
		}
		if _, err := resources.Update(g, h, parseResources(t, documents[n])); err != nil {
			t.Fatalf("%s: %v", documents[n], err)
		}
		list, err := cgroupfs.ReadText(g.Paths()["devices"] + "/devices.list")
		if err != nil || !strings.Contains(list, lists[n]) {
			t.Fatalf("%s: devices.list says %q, %v", documents[n], list, err)
		}
	}
	if s, err := g.State(); s != group.Thawed || err != nil {
		t.Errorf("the group is left %v, %v", s, err)
	}
	time.Sleep(10 * time.Millisecond)
	if text, err := os.ReadFile(failed); err == nil {
		t.Errorf("%d times /dev/zero could not be opened", len(text)/3)
	}
	if pids, err := g.Processes(); err != nil || len(pids) != 1 || pids[0] != cmd.Process.Pid {
		t.Errorf("the process exited: %v, %v", pids, err)
	}
}
