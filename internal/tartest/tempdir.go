package tartest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TempDir is like testing.T.TempDir, but in memory if /dev/shm exists, because a fuzz test creates
// thousands of directories a second. It also removes directories that their owner cannot enter.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "minirun-fuzz-")
	if err != nil {
		dir, err = os.MkdirTemp("", "minirun-fuzz-")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if os.Geteuid() != 0 {
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, _ error) error {
				if d != nil && d.IsDir() {
					_ = os.Chmod(path, 0o700)
				}
				return nil
			})
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
