package image

import (
	"os"

	"golang.org/x/sys/unix"
)

// CopyOwnerAndMode gives a directory the owner and mode of another one, such as those of an image's
// root to the root of a new layer.
func CopyOwnerAndMode(dir string, st *unix.Stat_t) error {
	if err := os.Lchown(dir, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(dir, st.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: dir, Err: err}
	}
	return nil
}
