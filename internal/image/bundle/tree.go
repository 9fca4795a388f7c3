package bundle

import (
	iofs "io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"
)

// CopyTree copies a directory with all attributes of its files. The library leaves the time of the
// copy on directories, so their times are set after their contents are complete.
func CopyTree(to, from string) error {
	if err := fs.CopyDir(to, from); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d iofs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &os.PathError{Op: "stat", Path: path, Err: err}
		}
		at := filepath.Join(to, strings.TrimPrefix(path, filepath.Clean(from)))
		return unix.UtimesNanoAt(unix.AT_FDCWD, at, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
	})
}
