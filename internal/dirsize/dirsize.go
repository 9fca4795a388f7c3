// Package dirsize adds up the sizes of files.
package dirsize

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// Sum returns the size of a file, or of the regular files below a directory. A file with several
// names counts once. Files that cannot be read, for example because another process removes them,
// are not counted.
func Sum(path string) (sum int64) {
	seen := map[uint64]bool{}
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if ok && st.Nlink > 1 {
			if seen[st.Ino] {
				return nil
			}
			seen[st.Ino] = true
		}
		sum += info.Size()
		return nil
	})
	return sum
}
