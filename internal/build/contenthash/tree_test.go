package contenthash

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/tartest"
)

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
	tartest.CreateFiles(t, dir, files...)
	return treeOf(t, dir)
}
