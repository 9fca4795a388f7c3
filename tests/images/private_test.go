package images

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// openDirectory returns a directory that every user of the host may enter.
func openDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", testbundle.Prefix)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// othersReach reports whether another user can reach a file, which must exist.
func othersReach(t *testing.T, path string) bool {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeSetuid == 0 {
		t.Fatalf("%s: %v, %v", path, info, err)
	}
	out, err := exec.Command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "test", "-e", path).CombinedOutput()
	if len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	return err == nil
}

// TestUnpackedIsPrivate: another user of the host cannot reach an image's set-user-ID programs in the
// directories written by unpack, bundle, build -o type=local or --ephemeral (CVE-2021-41091).
func TestUnpackedIsPrivate(t *testing.T) {
	testbundle.Need(t)
	need(t, "setpriv", "util-linux")
	suid := with(file("suid", "x"), func(h *tar.Header) { h.Mode = 0o4755 })
	s := loaded(t, runs("true"), layer{entries: []tar.Header{with(dir("./"), func(h *tar.Header) { h.Mode = 0o755 }), suid}})
	at := openDirectory(t)
	write(t, filepath.Join(s.Host, "context/Dockerfile"), "FROM busybox\n")

	s.Do("unpack", "busybox", filepath.Join(at, "unpacked"))
	s.Do("bundle", "busybox", filepath.Join(at, "bundle"))
	s.Do("build", "-q", "-o", "type=local,dest="+filepath.Join(at, "built"), filepath.Join(s.Host, "context"))
	existing := filepath.Join(at, "existing")
	if err := os.Mkdir(existing, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Do("bundle", "busybox", existing)
	for _, path := range []string{"unpacked/suid", "bundle/rootfs/suid", "built/suid", "existing/rootfs/suid"} {
		if othersReach(t, filepath.Join(at, path)) {
			t.Errorf("other users reach %s", path)
		}
	}
	if left, err := filepath.Glob(filepath.Join(at, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q, %v", left, err)
	}
	// In a directory that other users cannot reach anyway, the root keeps its mode, and the
	// container's users can enter it.
	closed := filepath.Join(at, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	s.Do("unpack", "busybox", filepath.Join(closed, "root"))
	for path, want := range map[string]os.FileMode{"closed/root": 0o755, "bundle/rootfs": 0o755, "bundle": 0o700, "unpacked": 0o700} {
		if info, err := os.Stat(filepath.Join(at, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %o", path, info.Mode(), err, want)
		}
	}
}

// TestUnpackedInHomeIsPrivate: root may unpack into the home directory of another user, which only
// that user may enter.
func TestUnpackedInHomeIsPrivate(t *testing.T) {
	testbundle.Need(t)
	need(t, "setpriv", "util-linux")
	suid := with(file("suid", "x"), func(h *tar.Header) { h.Mode = 0o4755 })
	s := loaded(t, runs("true"), layer{entries: []tar.Header{with(dir("./"), func(h *tar.Header) { h.Mode = 0o755 }), suid}})
	home := filepath.Join(openDirectory(t), "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	s.Do("unpack", "busybox", filepath.Join(home, "root"))
	if othersReach(t, filepath.Join(home, "root/suid")) {
		t.Error("the owner of the home directory reaches the image's set-user-ID program")
	}
}

// TestEphemeralIsPrivate: the same for the files that a container writes to its upper directory.
func TestEphemeralIsPrivate(t *testing.T) {
	testbundle.Need(t)
	need(t, "setpriv", "util-linux")
	b := testbundle.New(t, testbundle.Sh("cp /bin/busybox /suid && chmod 4755 /suid && echo ready && sleep 100"), testbundle.Writable)
	root := openDirectory(t)
	b.Global = append(b.Global, "--root", root)
	b.Root = root
	_, stop := b.Background(t, "--ephemeral")
	defer stop()
	upper := filepath.Join(root, b.ID, "upper", "suid")
	if othersReach(t, upper) {
		t.Errorf("other users reach %s", strings.TrimPrefix(upper, root))
	}
}
