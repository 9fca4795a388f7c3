package transfer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/regularfile"
)

// TestLayoutOpensOnlyRegularFiles: a device in a layout is not opened, because opening it can have
// side effects. This one has no driver, so open(2) would fail with ENXIO.
func TestLayoutOpensOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	index := filepath.Join(dir, "index.json")
	if err := unix.Mknod(index, unix.S_IFCHR|0o600, int(unix.Mkdev(510, 1))); err != nil {
		t.Skipf("needs to make a device: %v", err)
	}
	if f, err := os.Open(index); !errors.Is(err, unix.ENXIO) {
		_ = f.Close()
		t.Skipf("the device has a driver, or devices are forbidden here: %v", err)
	}
	_, _, err := OpenArchive(context.Background(), dir, t.TempDir())
	if !errors.Is(err, regularfile.ErrNotRegular) {
		t.Error(err)
	}
}
