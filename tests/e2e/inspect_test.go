package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/doctor"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/tests/testbundle"
)

func TestInspectShowsProcess(t *testing.T) {
	limit := int64(77)
	b, pid := up(t, userns, memory(64<<20), func(s *specs.Spec) { s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &limit} })
	has(t, b.Minirun("inspect", b.ID).Stdout, "running", "HOST", "CONTAINER", "its own", "64 MiB", "77", "CapEff", "MOUNTS")
	var v inspect.View
	r := b.Minirun("inspect", "--format", "json", b.ID)
	if err := json.Unmarshal([]byte(r.Stdout), &v); err != nil {
		t.Fatal(err, r.Stderr)
	}
	facts := map[string]inspect.Pair{}
	for _, p := range v.Process {
		facts[p.Name] = p
	}
	for _, p := range v.Namespaces {
		facts["ns "+p.Name] = p
	}
	if p := facts["pid"]; p.Host != fmt.Sprint(pid) || p.Container != "1" {
		t.Errorf("pid: %+v", p)
	}
	if p := facts["uid"]; p.Host == "0" || p.Container != "0" {
		t.Errorf("uid: %+v", p)
	}
	if p := facts["ns user"]; p.Host == p.Container || p.Note != "its own" {
		t.Errorf("user namespace: %+v", p)
	}
	if p := facts["ns time"]; p.Host != p.Container || p.Note != "the host's" {
		t.Errorf("time namespace: %+v", p)
	}
	// A shared namespace is named.
	other, _ := up(t, userns, with(specs.UTSNamespace, fmt.Sprintf("/proc/%d/ns/uts", pid)), with(specs.UserNamespace, fmt.Sprintf("/proc/%d/ns/user", pid)),
		func(s *specs.Spec) { s.Hostname = ""; s.Linux.UIDMappings, s.Linux.GIDMappings = nil, nil })
	cmd := exec.Command(testbundle.Binary, "--root", other.Root, "inspect", other.ID)
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "uts:[") {
		t.Errorf("%v: %s", err, out)
	}
	b.Minirun("inspect", "nobody").Fails(t, "does not exist")
	b.Minirun("inspect", "--format", "xml", b.ID).Fails(t, "--format")
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
}

// layers: which layer has a path, what hides it, and what was written.
func TestLayersCommand(t *testing.T) {
	b := testbundle.New(t, testbundle.Args("sleep", "1000"), testbundle.Writable)
	for _, d := range []string{"low/etc", "low/dir/below", "high/dir"} {
		if err := os.MkdirAll(filepath.Join(b.Dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"low/etc/kept": "k", "low/etc/gone": "g", "low/etc/new": "old", "high/dir/own": "o", "low/dir/hidden": "h"} {
		if err := os.WriteFile(filepath.Join(b.Dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(filepath.Join(b.Dir, "high/dir"), "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skipf("the bundle's file system has no trusted attributes: %v", err)
	}
	b.Spec.Annotations = map[string]string{"dev.minirun.layers": `["low", "rootfs", "high"]`}
	b.Write()
	var found []inspect.LayerFile
	where := func(of, path string) (kinds string) {
		t.Helper()
		r := b.Minirun("layers", "--format", "json", of, path)
		if err := json.Unmarshal([]byte(r.Stdout), &found); err != nil {
			t.Fatal(err, r.Stderr)
		}
		for _, v := range found {
			kinds += fmt.Sprintf("%d:%s:%v ", v.Number, v.Kind, v.Seen)
		}
		return strings.TrimSpace(kinds)
	}
	if got := where(b.Dir, "/dir/hidden"); got != "3:-:false 2:-:false 1:file:false" || !strings.Contains(found[2].Why, "/dir in layer 3") {
		t.Errorf("/dir/hidden: %s, %q", got, found[2].Why)
	}
	if got := where(b.Dir, "/etc/kept"); got != "3:-:false 2:-:false 1:file:true" {
		t.Errorf("/etc/kept: %s", got)
	}
	detached(t, b)
	in(b, "rm /etc/gone; echo more >> /etc/new; echo x > /etc/made; mkdir /opt/d").Exit(t, 0)
	if got := where(b.ID, "/etc/gone"); got != "4:whiteout:false 3:-:false 2:-:false 1:file:false" {
		t.Errorf("/etc/gone: %s", got)
	}
	if got := where(b.ID, "/../../etc/new"); got != "4:file:true 3:-:false 2:-:false 1:file:false" {
		t.Errorf("/etc/new: %s", got)
	}
	var all struct{ Written []inspect.Written }
	if err := json.Unmarshal([]byte(b.Minirun("layers", "--format", "json", b.ID).Stdout), &all); err != nil {
		t.Fatal(err)
	}
	did := map[string]string{}
	for _, w := range all.Written {
		did[w.Path] = w.What
	}
	for path, want := range map[string]string{"/etc/gone": "deleted", "/etc/new": "changed", "/etc/made": "new", "/opt/d": "new"} {
		if did[path] != want {
			t.Errorf("%s is %q, want %s: %v", path, did[path], want, did)
		}
	}
	has(t, b.Minirun("layers", b.ID).Stdout, "LAYER", "upper", "WRITTEN", "/etc/gone")
	if r := b.Minirun("layers", b.ID, "/no/such"); r.Status != 1 {
		t.Errorf("a path that no layer has: status %d", r.Status)
	}
	b.Minirun("layers", "nobody").Fails(t, "nobody")
}

func TestDoctorChecksTheHost(t *testing.T) {
	b := testbundle.New(t)
	has(t, b.Minirun("doctor").Stdout, "kernel", "namespaces", "cgroups", "overlay", "seccomp", "engines")
	var all []doctor.Finding
	r := b.Minirun("doctor", "--format", "json")
	if err := json.Unmarshal([]byte(r.Stdout), &all); err != nil || len(all) < 12 {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	if worst := doctor.Worst(all); (worst == doctor.Fail) != (r.Status == 1) {
		t.Errorf("status %d, worst %s", r.Status, worst)
	}
	// On a machine that provides nothing it reports what is missing.
	for _, c := range []struct {
		wrap []string
		want string
	}{
		{[]string{"setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"}, "CAP_SYS_ADMIN"},
		{[]string{"unshare", "--mount", "sh", "-c", "umount -R -l /sys/fs/cgroup && mount -t tmpfs x /sys/fs/cgroup && exec \"$@\"", "sh"}, "cgroup"},
	} {
		cmd := exec.Command(c.wrap[0], append(c.wrap[1:], testbundle.Binary, "doctor")...)
		out, _ := cmd.Output()
		if cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%v: status %d", c.wrap, cmd.ProcessState.ExitCode())
		}
		has(t, string(out), "fail", c.want, "→")
	}
}

// TestLayersErrorIsShort: the error about an ID without a container is one line and a hint.
func TestLayersErrorIsShort(t *testing.T) {
	b := testbundle.New(t)
	if r := b.Minirun("layers", "nosuch"); r.Status != 1 || strings.Count(r.Stderr, "\n") != 2 {
		t.Errorf("status %d: %q", r.Status, r.Stderr)
	}
}
