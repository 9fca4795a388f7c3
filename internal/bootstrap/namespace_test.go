package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/plan"
)

// namespacesOf reads the links in /proc/PID/ns.
func namespacesOf(t *testing.T, pid string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		target, err := os.Readlink("/proc/" + pid + "/ns/" + name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = target
	}
	return out
}

// sameNamespaces checks that the process is in this process's namespaces, except those in fresh.
func sameNamespaces(t *testing.T, proc *Process, fresh string) {
	t.Helper()
	ours, theirs := namespacesOf(t, "self"), namespacesOf(t, strconv.Itoa(proc.Pid))
	for name := range ours {
		if isNew := ours[name] != theirs[name]; isNew != strings.Contains(fresh, name) {
			t.Errorf("%s namespace: ours %s, the process's %s; new ones should be: %s", name, ours[name], theirs[name],
				fresh)
		}
	}
}

func TestCloneflags(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("new namespaces without a user namespace need root")
	}
	for fresh, flags := range map[string]uintptr{
		"":                   0,
		"uts":                unix.CLONE_NEWUTS,
		"mnt pid":            unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		"cgroup ipc net uts": unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWUTS,
	} {
		proc := run(t, askPlan(1), Attr{Cloneflags: flags})
		receive(t, proc, 1)
		sameNamespaces(t, proc, fresh)
		reply(t, proc)
		exits(t, proc, 0)
	}
}

// TestUserNamespace does what a Go program cannot do: it unshares a user namespace, has its maps
// written from outside, and continues with the capabilities in it, which an execve before the maps
// were written would have cleared.
func TestUserNamespace(t *testing.T) {
	if err := userNamespaces(); err != nil {
		t.Skipf("this user may not make user namespaces: %v", err)
	}
	b := plan.NewBuilder(3)
	gone, room := b.Label(), b.Room(8)
	m := b.Message(2, "fd", "bytes")
	b.Add(plan.Op{Name: "make the user namespace"}, plan.Unshare, plan.Int(unix.CLONE_NEWUSER))
	b.Tell("tell", "", b.Message(1))
	b.Await("await the maps", "", room, 8, gone)
	b.Add(plan.Op{Name: "become uid 0"}, plan.Setresuid, plan.Int(0), plan.Int(0), plan.Int(0))
	b.Add(plan.Op{Name: "make a UTS namespace", Why: "needs CAP_SYS_ADMIN in the user namespace"},
		plan.Unshare, plan.Int(unix.CLONE_NEWUTS))
	b.Add(plan.Op{Name: "set the host name"}, plan.Sethostname, b.Str("inside"), plan.Int(6))
	b.Add(plan.Op{Name: "open the host name", Out: m.A},
		plan.Openat, cwd, b.Str("/proc/sys/kernel/hostname"), plan.Int(unix.O_RDONLY), plan.Int(0))
	b.Add(plan.Op{Name: "read it", Out: m.B}, plan.Read, plan.Of(m.A), b.Room(64), plan.Int(64))
	b.Tell("tell", "", m)
	b.Await("await", "", room, 8, gone)
	end(b, 0)
	b.Place(gone)
	end(b, 9)
	proc := run(t, b.Plan(), Attr{})
	receive(t, proc, 1)
	for _, f := range []struct{ name, text string }{
		{"setgroups", "deny"}, // required before an unprivileged parent can write gid_map
		{"uid_map", fmt.Sprintf("0 %d 1", os.Geteuid())},
		{"gid_map", fmt.Sprintf("0 %d 1", os.Getegid())},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", proc.Pid, f.name), []byte(f.text), 0); err != nil {
			t.Fatal(err)
		}
	}
	reply(t, proc)
	if m := receive(t, proc, 2); m.B != uint64(len("inside\n")) {
		t.Errorf("the host name has %d bytes, want %d", m.B, len("inside\n"))
	}
	sameNamespaces(t, proc, "user uts")
	reply(t, proc)
	exits(t, proc, 0)
}

// userNamespaces returns an error if this user cannot create a user namespace.
func userNamespaces() error {
	b := plan.NewBuilder(3)
	b.Add(plan.Op{Name: "make a user namespace"}, plan.Unshare, plan.Int(unix.CLONE_NEWUSER))
	end(b, 0)
	proc, err := Start(b.Plan(), Attr{Files: standard})
	if err != nil {
		return err
	}
	defer proc.Close()
	defer func() { _, _ = proc.Wait() }()
	var failed *ErrFailed
	if _, err := proc.Receive(); errors.As(err, &failed) {
		return failed
	}
	return nil
}

// TestInitOfPIDNamespace clones a sibling as process 1 of a new PID namespace, as a plan does if
// Start cannot create its PID namespace.
func TestInitOfPIDNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a PID namespace without a user namespace needs root")
	}
	p := siblingPlan()
	p.Steps[0].Args[0].Value |= unix.CLONE_NEWPID
	proc := run(t, p, Attr{})
	m := receive(t, proc, 1)
	exits(t, proc, 21)
	if err := proc.Become(int(m.A)); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(proc.Pid), "status"))
	if err != nil || !bytes.Contains(status, fmt.Appendf(nil, "NSpid:\t%d\t1\n", proc.Pid)) {
		t.Errorf("not process 1 of a new namespace: %v\n%s", err, status)
	}
	// SIGPIPE does not kill process 1: after its parent is gone, it exits by itself.
	proc.CloseSync()
	exits(t, proc, 22)
}
