package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/ctxio"
)

// This file owns who waits for whom.
//
//	lock        held shared by whoever uses or adds, alone by whoever removes (rmi, prune)
//	index.lock  held alone while index.json is replaced
//	locks/HEX   held alone while one blob or layer is made: who comes second finds it there
//
// They are taken in this order. The kernel drops the lock of a process that is
// killed.

// A Lock is held until Unlock, or until the process ends.
type Lock struct{ file *os.File }

// Unlock gives the lock back.
func (l *Lock) Unlock() { _ = l.file.Close() }

func takeLock(ctx context.Context, path string, how int) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = Flock(f, how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) && how&unix.LOCK_NB == 0 {
		_, err = ctxio.Do(ctx, func() (*os.File, error) { return f, Flock(f, how) })
	}
	if err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Lock{f}, nil
}

// Flock is flock(2) without EINTR.
func Flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Share keeps others from removing anything.
func (s *Store) Share(ctx context.Context) (*Lock, error) {
	return takeLock(ctx, filepath.Join(s.Dir, "lock"), unix.LOCK_SH)
}

// Own keeps others out. With wait unset a store in use is an error,
// unix.EWOULDBLOCK.
func (s *Store) Own(ctx context.Context, wait bool) (*Lock, error) {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	return takeLock(ctx, filepath.Join(s.Dir, "lock"), how)
}

// LockIndex is held while index.json is replaced.
func (s *Store) LockIndex(ctx context.Context) (*Lock, error) {
	return takeLock(ctx, filepath.Join(s.Dir, "index.lock"), unix.LOCK_EX)
}

// LockObject is held while a blob or a layer is made.
func (s *Store) LockObject(ctx context.Context, name string) (*Lock, error) {
	return takeLock(ctx, filepath.Join(s.Dir, "locks", name), unix.LOCK_EX)
}
