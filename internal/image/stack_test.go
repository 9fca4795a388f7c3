package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A stack finds the same files as overlay, and no symbolic link leads to the host.
func TestStack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: marks of overlay are made")
	}
	host := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	low, mid, top := filepath.Join(host, "low"), filepath.Join(host, "mid"), filepath.Join(host, "top")
	write(low+"/etc/passwd", "low")
	write(low+"/etc/group", "low")
	write(low+"/etc/old", "low")
	write(low+"/opt/x/f", "low")
	write(low+"/usr/etc/moved", "low")
	write(mid+"/etc/passwd", "mid")
	must(unix.Mknod(mid+"/etc/old", unix.S_IFCHR, 0))
	write(mid+"/opt/x/g", "mid")
	must(unix.Setxattr(mid+"/opt/x", "trusted.overlay.opaque", []byte("y"), 0))
	must(os.Symlink("../../../../../../etc/passwd", mid+"/etc/out"))
	must(os.Symlink("/usr/etc", mid+"/abs"))
	must(os.Symlink("loop", mid+"/loop"))
	must(os.Symlink(host+"/secret", mid+"/etc/host"))
	write(host+"/secret", "secret")
	write(top+"/file", "top")
	must(os.Symlink("etc", top+"/link"))
	s := Stack{low, mid, top}
	for name, want := range map[string]string{
		"/etc/passwd": "mid", "/etc/group": "low", "/etc/old": "", "/opt/x/g": "mid", "/opt/x/f": "", "/etc/out": "mid",
		"/abs/moved": "low", "/link/passwd": "mid",
		"/link/../file": "top", "/../../etc/group": "low", "/etc/host": "", "/file/x": "", "/none": "",
		"//etc/./passwd": "mid",
	} {
		if got, err := s.ReadFile(name, 100); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if _, err := s.ReadFile("/loop", 100); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
	if _, err := s.ReadFile("/etc/passwd", 2); err == nil || !strings.Contains(err.Error(), "the limit is 2") {
		t.Errorf("a file too long: %v", err)
	}
	if _, err := s.ReadFile("/etc", 100); err == nil {
		t.Error("a directory is read")
	}
	if _, _, err := s.Resolve("/etc/out/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below a file: %v", err)
	}
}
