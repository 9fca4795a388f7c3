// Package filelock takes locks on open files and directories with flock(2). The kernel
// releases a lock when the last descriptor of the open file is closed, also if its process
// is killed.
//
// A file may be removed, or replaced by another one, between open(2) and flock(2). So
// where files are removed under their lock, a process checks [IsNamed] after it has
// the lock.
package filelock

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// Flock is flock(2), retried on EINTR: the Go runtime sends signals to its threads. With
// LOCK_NB the error is EWOULDBLOCK if another process has the lock.
func Flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Wait takes a lock, LOCK_SH or LOCK_EX, and gives up when the context ends: a wait in the
// kernel would not notice that.
func Wait(ctx context.Context, fd, how int) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := Flock(fd, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// IsNamed reports whether an open file is still the one that path leads to.
func IsNamed(fd int, path string) (bool, error) {
	var opened, named unix.Stat_t
	err := errors.Join(unix.Fstat(fd, &opened), unix.Stat(path, &named))
	return err == nil && opened.Ino == named.Ino && opened.Dev == named.Dev, err
}
