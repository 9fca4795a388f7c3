package bundle

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/regularfile"
)

// Seed copies the content of a path in the layers to a new directory, as the initial content of a
// volume.
func Seed(dir, path string, layers []string) error {
	tree, err := overlay.Open(layers, namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	// The image controls the path and the links in it: they are resolved in its root.
	from, err := regularfile.OpenPathIn(int(tree.Fd()), path, unix.O_DIRECTORY,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return &os.PathError{Op: "open in the image", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(from) }()
	temporary := dir + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := CopyTree(temporary, fmt.Sprintf("/proc/self/fd/%d/.", from)); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	return os.Rename(temporary, dir)
}
