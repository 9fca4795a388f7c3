// Package flock locks files and directories with flock(2). The kernel releases the locks of a
// process that is killed.
package flock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/ctxio"
)

// Lock locks an open file: how is unix.LOCK_SH or unix.LOCK_EX, with unix.LOCK_NB to return
// unix.EWOULDBLOCK instead of waiting. Signals do not interrupt it.
func Lock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Wait is like Lock, but the end of the context also ends the wait. If how contains unix.LOCK_NB, it
// does not wait.
func Wait(ctx context.Context, f *os.File, how int) error {
	fd := int(f.Fd())
	err := Lock(fd, how|unix.LOCK_NB)
	if how&unix.LOCK_NB != 0 || !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	_, err = ctxio.Do(ctx, func() (struct{}, error) { return struct{}{}, Lock(fd, how) })
	return err
}

// IsHeld reports whether another process, or another open file of this one, holds a lock that
// excludes one of the kind how.
func IsHeld(f *os.File, how int) bool {
	return errors.Is(Lock(int(f.Fd()), how|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// IsNamed reports whether an open file still has this path. A process checks this after it got a
// lock, because the previous holder may have removed the file, and another one may have created it
// again.
func IsNamed(fd int, path string) (bool, error) {
	var open, named unix.Stat_t
	err := errors.Join(unix.Fstat(fd, &open), unix.Lstat(path, &named))
	return err == nil && open.Ino == named.Ino && open.Dev == named.Dev, err
}

// Open opens a file or a directory and locks it. If it was removed before it was locked, the error is
// fs.ErrNotExist.
func Open(path string, how int) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err = Lock(int(f.Fd()), how); err == nil {
		var named bool
		if named, err = IsNamed(int(f.Fd()), path); err == nil && !named {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
