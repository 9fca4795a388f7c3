package source

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// touch notes that something of the caches is used: Prune looks at it.
func touch(names ...string) {
	now := time.Now()
	for _, name := range names {
		_ = os.Chtimes(name, now, now) // it is pruned earlier, then
	}
}

// Prune removes what neither Git nor Fetch has used since a time, and says how many
// bytes it had. No build may be reading it: a build uses what it needs at its start.
func Prune(cacheDir string, since time.Time) (freed int64, err error) {
	for _, pattern := range []string{"git/*/trees/*", "git/*", "http/*"} {
		names, e := filepath.Glob(filepath.Join(cacheDir, pattern))
		err = errors.Join(err, e)
		for _, name := range names {
			st, e := os.Lstat(name)
			if e != nil || !st.ModTime().Before(since) {
				continue
			}
			freed += size(name)
			err = errors.Join(err, os.RemoveAll(name))
		}
	}
	return freed, err
}

// size is what the files below a directory hold.
func size(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // what is gone takes no room
		}
		if st, err := d.Info(); err == nil && d.Type().IsRegular() {
			sum += st.Size()
		}
		return nil
	})
	return sum
}
