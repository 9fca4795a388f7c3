package commit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestMountPointsAreRemoved: only what the runtime created goes, and no link of the container is
// followed.
func TestMountPointsAreRemoved(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("etc/hosts", "")
	write("etc/hostname", "written")
	write("data/file", "x")
	for _, d := range []string{"proc", "dev/shm"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outside, "empty"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	var mounts []specs.Mount
	for _, to := range []string{"/proc", "/dev", "/dev/shm", "/etc/hosts", "/etc/hostname", "/data", "/link/empty", "/link", "/none/x"} {
		mounts = append(mounts, specs.Mount{Destination: to})
	}
	if err := removeMountPoints(dir, mounts); err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{"etc/hosts": false, "proc": false, "dev": false, "etc/hostname": true, "data/file": true, "link": true} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != kept {
			t.Errorf("%s: %v, want kept %t", name, err, kept)
		}
	}
	if _, err := os.Stat(filepath.Join(outside, "empty")); err != nil {
		t.Error("a file outside was removed")
	}
}
