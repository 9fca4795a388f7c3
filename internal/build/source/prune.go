package source

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/minirun/minirun/internal/dirsize"
)

// touch records that cache entries were used, for Prune.
func touch(names ...string) {
	now := time.Now()
	for _, name := range names {
		_ = os.Chtimes(name, now, now) // on an error it is pruned earlier
	}
}

// Prune removes what CheckoutGit and Fetch have not used since a time, and returns the number of bytes
// freed. No build may be reading it: a build reads cached files at its start.
func Prune(cacheDir string, since time.Time) (freed int64, err error) {
	for _, pattern := range []string{"git/*/trees/*", "git/*", "http/*"} {
		names, e := filepath.Glob(filepath.Join(cacheDir, pattern))
		err = errors.Join(err, e)
		for _, name := range names {
			st, e := os.Lstat(name)
			if e != nil || !st.ModTime().Before(since) {
				continue
			}
			freed += dirsize.Sum(name)
			err = errors.Join(err, os.RemoveAll(name))
		}
	}
	return freed, err
}
