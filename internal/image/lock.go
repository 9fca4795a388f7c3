package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/flock"
)

// This file defines the locks of the store.
//
//	lock        shared while the store is used or added to, exclusive while something is removed (rmi, prune)
//	index.lock  exclusive while index.json is replaced
//	locks/HEX   exclusive while one blob or layer is created: the next process finds it complete
//
// They are taken in this order. The kernel releases the locks of a process that is killed.

// A Lock is held until Unlock is called or the process exits.
type Lock struct{ file *os.File }

// Unlock releases the lock.
func (l *Lock) Unlock() { _ = l.file.Close() }

func takeLock(ctx context.Context, path string, how int) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := flock.Wait(ctx, f, how); err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Lock{f}, nil
}

// LockShared takes the lock shared, so that no process can remove anything.
func (s *Store) LockShared(ctx context.Context) (*Lock, error) {
	return takeLock(ctx, filepath.Join(s.Dir, "lock"), unix.LOCK_SH)
}

// LockExclusive takes the lock exclusively. If wait is false and the store is in use, it returns
// unix.EWOULDBLOCK.
func (s *Store) LockExclusive(ctx context.Context, wait bool) (*Lock, error) {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	return takeLock(ctx, filepath.Join(s.Dir, "lock"), how)
}

// LockIndex takes the lock that is held while index.json is replaced.
func (s *Store) LockIndex(ctx context.Context) (*Lock, error) {
	return takeLock(ctx, filepath.Join(s.Dir, "index.lock"), unix.LOCK_EX)
}

// LockObject takes the lock that is held while a blob or a layer is created.
func (s *Store) LockObject(ctx context.Context, name string) (*Lock, error) {
	return takeLock(ctx, filepath.Join(s.Dir, "locks", name), unix.LOCK_EX)
}
