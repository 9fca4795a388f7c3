package contenthash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// createFiles creates files below a directory: NAME=CONTENT, NAME/ for a directory, NAME->TARGET for
// a symbolic link.
func createFiles(t *testing.T, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		var err error
		if name, target, ok := strings.Cut(f, "->"); ok {
			err = os.Symlink(target, filepath.Join(dir, name))
		} else if name, content, ok := strings.Cut(f, "="); ok {
			if err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)
			}
		} else {
			err = os.MkdirAll(filepath.Join(dir, f), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// treeOf returns the tree of a directory.
func treeOf(t *testing.T, dir string) *Tree {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	root := os.NewFile(uintptr(fd), dir)
	t.Cleanup(func() { _ = root.Close() })
	return &Tree{Root: root, Label: "the context"}
}

// newTree returns a tree with new files.
func newTree(t *testing.T, files ...string) *Tree {
	t.Helper()
	dir := t.TempDir()
	createFiles(t, dir, files...)
	return treeOf(t, dir)
}
