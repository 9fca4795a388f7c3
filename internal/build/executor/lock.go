package executor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/minirun/minirun/internal/image"
	"golang.org/x/sys/unix"
)

// lockFile opens a file or directory and locks it. If it was removed before it was locked, the
// error is fs.ErrNotExist.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err = image.Flock(f, how); err == nil {
		var held, named unix.Stat_t
		if err = unix.Fstat(int(f.Fd()), &held); err == nil {
			err = unix.Lstat(path, &named)
		}
		if err == nil && held.Ino != named.Ino {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}

// waitForLock waits for a lock. The wait in the kernel would not notice the end of a context.
func waitForLock(ctx context.Context, f *os.File, how int) error {
	for {
		if err := image.Flock(f, how|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
