package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/tests/testbundle"
)

// After a failure, and at the end of run, minirun releases only what belongs to its container.

// TestFailedCreateKeepsThePidFile: a file that minirun has not written is not removed, whatever type
// it has.
func TestFailedCreateKeepsThePidFile(t *testing.T) {
	failing := func(s *specs.Spec) { s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook("exit 3")}} }
	for _, verb := range []string{"create", "run"} {
		b := testbundle.New(t, failing)
		b.Write()
		path := filepath.Join(b.Host, "pid")
		if err := os.WriteFile(path, []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
		b.Minirun(verb, "--pid-file", path, b.ID, b.Dir).Fails(t, "exit status 3")
		if text, err := os.ReadFile(path); string(text) != "1" {
			t.Errorf("%s: the pid file of another container: %q, %v", verb, text, err)
		}
	}
	b := testbundle.New(t)
	b.Write()
	device := filepath.Join(b.Host, "null")
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Skip("the test can make no device: ", err)
	}
	b.Minirun("run", "--pid-file", device, b.ID, b.Dir).Fails(t, "--pid-file", "not a regular file")
	if _, err := os.Stat(device); err != nil {
		t.Errorf("--pid-file /dev/null removes the device: %v", err)
	}
}

// TestFailedStartRemovesThePidFile: the file names a process that no longer exists.
func TestFailedStartRemovesThePidFile(t *testing.T) {
	b := testbundle.New(t)
	b.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{shellHook("exit 3")}}
	path := filepath.Join(b.Host, "pid")
	b.Run("--pid-file", path).Fails(t, "exit status 3")
	if text, err := os.ReadFile(path); err == nil {
		t.Errorf("the pid file is left: %s", text)
	}
}

// sameName returns a bundle that uses the ID, the state and the cgroup of another one.
func sameName(t *testing.T, of *testbundle.Bundle) *testbundle.Bundle {
	t.Helper()
	b := testbundle.New(t, testbundle.Args("sleep", "1000"))
	b.ID, b.Root = of.ID, of.Root
	b.Spec.Linux.CgroupsPath = of.Spec.Linux.CgroupsPath
	b.Write()
	return b
}

// TestRunLeavesAnotherContainerOfItsID: if another command deletes the container, its ID is free, and
// run does not touch a new container with this ID.
func TestRunLeavesAnotherContainerOfItsID(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo started; exec sleep 1000"))
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	b.Start(cmd)
	awaitStatusOfNew(t, b, specs.StateRunning)
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	other := sameName(t, b)
	other.Detach().Exit(t, 0)
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	exits(t, cmd, 128+int(unix.SIGKILL))
	if got := stateOf(t, other); got != specs.StateRunning {
		t.Errorf("the container that has the ID now is %s", got)
	}
	other.Minirun("delete", "--force", other.ID).Exit(t, 0)
	testbundle.Reap()
}

// TestFailedPoststartLeavesAnotherContainerOfItsID: poststart hooks run without the
// container's lock.
func TestFailedPoststartLeavesAnotherContainerOfItsID(t *testing.T) {
	for _, flag := range []string{"--detach", "--keep"} {
		b := testbundle.New(t, testbundle.Args("sleep", "1000"))
		other := sameName(t, b)
		minirun := testbundle.Binary + " --root " + b.Root
		pidFile := filepath.Join(b.Host, "pid")
		b.Spec.Hooks = &specs.Hooks{Poststart: []specs.Hook{shellHook(minirun + " delete --force " + b.ID + " && " +
			minirun + " run --detach --pid-file " + pidFile + " " + b.ID + " " + other.Dir + " </dev/null >/dev/null 2>&1; " + minirun + " pause " + b.ID + "; exit 3")}}
		b.Run(flag, "--pid-file", pidFile).Fails(t, "exit status 3")
		if r := other.Minirun("state", other.ID); !strings.Contains(r.Stdout, `"paused"`) {
			t.Errorf("%s: the container that has the ID now: %s%s", flag, r.Stdout, r.Stderr)
		}
		if _, err := os.Stat(pidFile); err != nil {
			t.Errorf("%s: its pid file: %v", flag, err)
		}
		other.Minirun("delete", "--force", other.ID).Exit(t, 0)
		testbundle.Reap()
	}
}

// TestNetDeviceThatCannotReturn: delete returns a device whose name was in use, once the name is
// free.
func TestNetDeviceThatCannotReturn(t *testing.T) {
	ownNetwork(t)
	inside, path := joinedNetwork(t)
	before, within := hostNetwork(t), inside("link")
	for verb, kind := range map[string]string{"create": "createRuntime", "run": "poststart"} {
		b := testbundle.New(t, netDevices("v0", "x0"), testbundle.With(specs.NetworkNamespace, path), testbundle.Args("sleep", "1000"))
		b.Spec.Hooks = &specs.Hooks{}
		hook := shellHook("PATH=$PATH:/sbin:/usr/sbin; ip link add v0 type veth peer name v9; exit 3")
		setHooks(b.Spec.Hooks, kind, hook)
		b.Write()
		b.Minirun(verb, b.ID, b.Dir).Fails(t, "exit status 3", "bring v0 back to the host", "minirun delete "+b.ID)
		b.Minirun("delete", b.ID).Fails(t, "bring v0 back to the host")
		ip(t, "link", "delete", "v0")
		b.Minirun("delete", b.ID).Exit(t, 0)
		if after := hostNetwork(t); after != before {
			t.Errorf("%s: before:\n%s\nafter:\n%s", verb, before, after)
		}
		if after := inside("link"); after != within {
			t.Errorf("%s: in the joined namespace, before:\n%s\nafter:\n%s", verb, within, after)
		}
	}
}

// TestDeleteAfterTheNetworkNamespaceEnded: only the file on which the namespace was mounted is left.
func TestDeleteAfterTheNetworkNamespaceEnded(t *testing.T) {
	ownNetwork(t)
	_, path := joinedNetwork(t)
	b, sign := hanging(t, func(all *specs.Hooks, h specs.Hook) { all.CreateRuntime = []specs.Hook{h} }, false)
	file := filepath.Join(b.Host, "netns")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(path, file, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(file, unix.MNT_DETACH) }) // in case the test failed
	netDevices("v0", "x0")(b.Spec)
	testbundle.With(specs.NetworkNamespace, file)(b.Spec)
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	b.Start(cmd)
	await(t, sign)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err := unix.Unmount(file, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
}

// TestBundleWhosePathIsNotUTF8: the state could not represent the path, and delete would leave the
// mounts of a container without a mount namespace.
func TestBundleWhosePathIsNotUTF8(t *testing.T) {
	for _, change := range []func(*specs.Spec){func(*specs.Spec) {}, onHost} {
		b := testbundle.New(t, change)
		b.Write()
		dir := b.Dir + "\xff"
		if err := os.Rename(b.Dir, dir); err != nil {
			t.Fatal(err)
		}
		b.Minirun("create", b.ID, dir).Fails(t, "not UTF-8")
		b.Minirun("delete", "--force", b.ID).Exit(t, 0)
		testbundle.Reap()
	}
}
