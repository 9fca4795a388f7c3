package filelock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, path string) int {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return int(f.Fd())
}

func TestWaitUntilReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Flock(first, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := Flock(second, unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("a lock that is taken: %v", err)
	}
	waited := make(chan error)
	go func() { waited <- Wait(t.Context(), second, unix.LOCK_EX) }()
	select {
	case err := <-waited:
		t.Fatalf("Wait returned while the lock was taken: %v", err)
	default:
	}
	if err := Flock(first, unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	if err := Flock(first, unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("the lock that Wait took: %v", err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Flock(first, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if err := Wait(ctx, second, unix.LOCK_SH); !errors.Is(err, cause) {
		t.Errorf("%v, want %v", err, cause)
	}
}

func TestIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	fd := open(t, path)
	if named, err := IsNamed(fd, path); !named || err != nil {
		t.Errorf("unchanged: %v, %v", named, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if named, err := IsNamed(fd, path); named || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v, %v", named, err)
	}
	open(t, path)
	if named, err := IsNamed(fd, path); named || err != nil {
		t.Errorf("replaced: %v, %v", named, err)
	}
}
