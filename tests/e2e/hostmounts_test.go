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

// onHost configures a container without a mount namespace.
func onHost(s *specs.Spec) {
	without(specs.MountNamespace)(s)
	s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
}

// mountsBelow counts the host's mounts in a directory.
func mountsBelow(dir string) int {
	n := 0
	for _, line := range testbundle.Mounts("self") {
		if strings.Contains(line, dir) {
			n++
		}
	}
	return n
}

// Without a mount namespace, the container's mounts are on the host until it is deleted.
func TestMountsOnHost(t *testing.T) {
	b := testbundle.New(t, onHost, testbundle.Sh("cat /proc/self/comm; ls /dev/null; echo x > /file || echo read-only; exec sleep 1000"))
	rootfs := b.Path("")
	createBundle(t, b)
	if n := mountsBelow(rootfs); n < len(b.Spec.Mounts) {
		t.Errorf("%d mounts on the host, the container has more", n)
	}
	b.Minirun("start", b.ID).Exit(t, 0)
	b.Minirun("exec", b.ID, "/bin/sh", "-c", "cat /proc/self/comm").Prints(t, "cat\n")
	b.Minirun("kill", b.ID, "KILL").Exit(t, 0)
	awaitStatus(t, b, specs.StateStopped)
	b.Minirun("delete", b.ID).Exit(t, 0)
	if n := mountsBelow(rootfs); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}

func TestMountsOnHostOfRun(t *testing.T) {
	b := testbundle.New(t, onHost, testbundle.Sh("cat /proc/self/comm; echo x > /file || echo read-only"))
	b.Run().Prints(t, "cat\nread-only\n")
	b.Spec.Process.Args = []string{"/nothing"}
	b.Run().Fails(t, "process.args[0]")
	if n := mountsBelow(b.Path("")); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}

// Two containers may have the same root. The topmost mounts are removed first.
func TestMountsOnHostStacked(t *testing.T) {
	b := testbundle.New(t, onHost, testbundle.Args("sleep", "1000"))
	second := *b
	second.ID += "-second"
	createBundle(t, b)
	b.Spec.Linux.CgroupsPath = "/" + second.ID
	createBundle(t, &second)
	b.Minirun("delete", "--force", b.ID).Fails(t, "another mount on top")
	second.Minirun("delete", "--force", second.ID).Exit(t, 0)
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	if n := mountsBelow(b.Path("")); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}

// A bind mount of a shared mount must not propagate the container's mounts to other places of the
// host.
func TestMountsOnHostStayBelowRoot(t *testing.T) {
	b := testbundle.New(t, onHost, testbundle.Args("sleep", "1000"))
	shared := filepath.Join(b.Host, "shared")
	if err := os.MkdirAll(filepath.Join(shared, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", shared, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(shared, unix.MNT_DETACH)
	if err := unix.Mount("", shared, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(shared, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	addMount(specs.Mount{Destination: "/shared", Source: shared, Options: []string{"rbind"}})(b.Spec)
	addMount(specs.Mount{Destination: "/shared/sub", Source: "tmpfs", Type: "tmpfs"})(b.Spec)
	createBundle(t, b)
	if n := mountsBelow(shared + "/sub"); n != 0 {
		t.Errorf("a mount of the container is at %s/sub on the host", shared)
	}
	b.Minirun("delete", b.ID).Exit(t, 0)
}

// The record names the mount before it exists.
func TestMountsOnHostAfterKill(t *testing.T) {
	b := testbundle.New(t, onHost, testbundle.Args("sleep", "1000"))
	b.Spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{shellHook("echo here > " + b.Host + "/reached; exec sleep 1000")}}
	b.Write()
	cmd := b.Command("create", "--bundle", b.Dir, b.ID)
	b.Start(cmd)
	await(t, filepath.Join(b.Host, "reached"))
	if n := mountsBelow(b.Path("")); n == 0 {
		t.Error("no mounts yet")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	b.Minirun("delete", "--force", b.ID).Exit(t, 0)
	testbundle.Reap()
	if n := mountsBelow(b.Path("")); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}

func TestLayersOnHost(t *testing.T) {
	b := testbundle.New(t, onHost, testbundle.Writable, testbundle.Sh("echo x > /file && cat /file"))
	b.Run("--ephemeral").Prints(t, "x\n")
	if _, err := os.Stat(b.Path("file")); err == nil {
		t.Error("written to the layer")
	}
	if n := mountsBelow(b.Path("")); n != 0 {
		t.Errorf("%d mounts are left on the host", n)
	}
}
