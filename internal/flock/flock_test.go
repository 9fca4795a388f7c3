package flock

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestOpenFilesExcludeEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Lock(int(first.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if !IsHeld(second, unix.LOCK_EX) {
		t.Error("a shared lock does not exclude an exclusive one")
	}
	if IsHeld(second, unix.LOCK_SH) {
		t.Error("a shared lock excludes another shared one")
	}
	if err := Wait(context.Background(), second, unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Error(err)
	}
}

func TestContextEndsWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Lock(int(first.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Wait(ctx, second, unix.LOCK_EX) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestReleaseEndsWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Lock(int(first.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Wait(context.Background(), second, unix.LOCK_EX) }()
	if err := Lock(int(first.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReplacedFileIsNotNamed: a lock on a file that was removed, and created again by another
// process, protects nothing.
func TestReplacedFileIsNotNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f := open(t, path)
	if named, err := IsNamed(int(f.Fd()), path); !named || err != nil {
		t.Error(named, err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if named, err := IsNamed(int(f.Fd()), path); named || !errors.Is(err, fs.ErrNotExist) {
		t.Error(named, err)
	}
	open(t, path)
	if named, err := IsNamed(int(f.Fd()), path); named || err != nil {
		t.Error(named, err)
	}
}

func TestOpenLocksDirectory(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(dir, unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(dir, unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Error(err)
	}
	if _, err := Open(filepath.Join(dir, "none"), unix.LOCK_SH); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
