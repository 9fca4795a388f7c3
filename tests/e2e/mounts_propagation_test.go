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

func TestRootfsPropagation(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"", ""}, {"private", ""}, {"rprivate", ""}, {"slave", ""}, {"rslave", ""},
		{"unbindable", "unbindable "}, {"shared", "shared "}, {"rshared", "shared "},
	} {
		t.Run("word "+c.word, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Sh(optional("/")), func(s *specs.Spec) { s.Linux.RootfsPropagation = c.word })
			r := b.Run()
			r.Exit(t, 0)
			if got := strings.TrimSpace(strings.ReplaceAll(r.Stdout, "master ", "")); got != strings.TrimSpace(c.want) {
				t.Errorf("propagation of / is %q, want %q", got, c.want)
			}
		})
	}
}

// propagationOf prints the optional fields of the root and of /mnt.
var propagationOf = optional("/") + ";" + optional("/mnt")

// On a host with shared mounts, which is systemd's default: docs/mounts.md has the same table. A root
// with slave propagation receives what the host mounts below root.path, and propagates nothing to the
// host.
func TestRootfsPropagationOnSharedMounts(t *testing.T) {
	for _, c := range []struct{ word, root, bind, fromHost string }{
		{"", "", "master", ""},
		{"slave", "master", "shared", "seen"}, {"rslave", "master", "master", "seen"},
		{"private", "", "shared", ""}, {"rprivate", "", "", ""},
		{"shared", "shared", "shared", ""}, {"rshared", "shared", "shared", ""},
		{"unbindable", "unbindable", "shared", ""}, {"runbindable", "unbindable", "unbindable", ""},
	} {
		t.Run("word "+c.word, func(t *testing.T) {
			b := testbundle.New(t, testbundle.Sh(propagationOf+"; exec sleep 1000"), func(s *specs.Spec) {
				s.Linux.RootfsPropagation = c.word
				s.Linux.ReadonlyPaths = []string{"/etc"} // a clone of a mount that may be unbindable
			})
			shareMount(t, b.Path("/"))
			shareMount(t, b.Host)
			addMount(specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"rbind"}})(b.Spec)
			b.Spec.Process.Args[2] = strings.Replace(b.Spec.Process.Args[2], "; exec", "; echo up; exec", 1)
			createBundle(t, b)
			if err := unix.Mount("tmpfs", b.Path("/opt"), "tmpfs", 0, ""); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(b.Path("/opt"), unix.MNT_DETACH) })
			b.Minirun("start", b.ID).Exit(t, 0)
			b.Minirun("exec", b.ID, "sh", "-c", propagationOf+"; grep -q ' /opt ' /proc/self/mountinfo && echo seen; true").
				Prints(t, strings.TrimRight(c.root+" \n"+c.bind+" \n"+c.fromHost, " \n"))
			b.Minirun("delete", "--force", b.ID).Exit(t, 0)
		})
	}
}

// shareMount turns a directory into a shared mount.
func shareMount(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
}

// With rslave a mount that the host makes later appears inside; mounts made in the container never
// appear on the host.
func TestMountPropagatesInward(t *testing.T) {
	b := testbundle.New(t, testbundle.Sh("echo up; i=0; while [ ! -e /mnt/later/file ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i+1)); done; cat /mnt/later/file"))
	later := filepath.Join(b.Host, "later")
	if err := os.Mkdir(later, 0o755); err != nil {
		t.Fatal(err)
	}
	addMount(specs.Mount{Destination: "/mnt", Source: b.Host, Options: []string{"rbind", "rslave"}})(b.Spec)
	b.Write()
	cmd := b.Command("run", b.ID, b.Dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if _, err := out.Read(buf); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", later, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(later, unix.MNT_DETACH) }()
	if err := os.WriteFile(filepath.Join(later, "file"), []byte("seen"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, _ := out.Read(buf); string(buf[:n]) != "see" {
		t.Errorf("inside: %q", buf[:n])
	}
	_, _ = out.Read(buf)
	_ = cmd.Wait()
}
