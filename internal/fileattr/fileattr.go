// Package fileattr sets the attributes of files.
package fileattr

import (
	"os"

	"golang.org/x/sys/unix"
)

// SetOwnerAndMode gives a file or a directory, which must not be a symbolic link, the owner and the
// mode of another one. The mode is set last, since a change of owner clears the set-user-ID bit.
func SetOwnerAndMode(path string, st *unix.Stat_t) error {
	if err := os.Lchown(path, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(path, st.Mode&0o7777); err != nil {
		return &os.PathError{Op: "chmod", Path: path, Err: err}
	}
	return nil
}
