package testbundle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// PrivateDev gives the tests of this process a separate /dev, in their mount namespace: whatever a
// container does to a device node, the machine's nodes do not change. If that is not possible the
// test is skipped.
func PrivateDev(t testing.TB) {
	t.Helper()
	Need(t)
	if err := privateDev(); err != nil {
		t.Skip("a separate /dev could not be set up, and the tests must not damage the machine's: ", err)
	}
}

// privateDev creates a tmpfs with copies of the device nodes, moves all mounts below /dev into it,
// and mounts it on /dev.
var privateDev = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "minirun-dev-")
	if err != nil {
		return err
	}
	defer os.Remove(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID, "mode=755"); err != nil {
		return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
	err = filepath.WalkDir("/dev", func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || path == "/dev" {
			return nil // a device that was unplugged
		}
		if err != nil {
			return err
		}
		return copyNode(path, filepath.Join(dir, path[len("/dev"):]), d)
	})
	if err != nil {
		return err
	}
	return unix.Mount(dir, "/dev", "", unix.MS_BIND|unix.MS_REC, "")
})

func copyNode(path, to string, d fs.DirEntry) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case unix.S_IFDIR:
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		if isMountpoint(path, &st) {
			if err := unix.Mount(path, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
				return fmt.Errorf("bind %s: %w", path, err)
			}
			return fs.SkipDir
		}
	case unix.S_IFREG, unix.S_IFSOCK:
		return nil
	default:
		if err := unix.Mknod(to, st.Mode, int(st.Rdev)); err != nil {
			return fmt.Errorf("copy the device %s: %w", path, err)
		}
	}
	if err := os.Chown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return unix.Chmod(to, st.Mode&0o7777)
}

// isMountpoint reports whether a directory is on a different file system from its parent directory.
func isMountpoint(path string, st *unix.Stat_t) bool {
	var parent unix.Stat_t
	return unix.Lstat(filepath.Dir(path), &parent) == nil && parent.Dev != st.Dev
}
