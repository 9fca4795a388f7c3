package executor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/overlay"
)

// enterMountNamespace gives the calling thread a separate mount namespace and working directory, and
// mounts a tmpfs there. Mounts and unmounts on the host propagate into it; nothing propagates
// to the host.
func enterMountNamespace(bundle string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("cannot create a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	unix.Umask(0) // for this thread only: modes are applied exactly as given
	// It holds secrets: keep it out of swap if the kernel supports that (Linux 6.4; not in a
	// user namespace).
	const flags = unix.MS_NOSUID | unix.MS_NODEV
	if err := unix.Mount("tmpfs", bundle, "tmpfs", flags, "mode=0711,noswap"); err == nil {
		return nil
	}
	if err := unix.Mount("tmpfs", bundle, "tmpfs", flags, "mode=0711"); err != nil {
		return &os.PathError{Op: "mount a tmpfs on", Path: bundle, Err: err}
	}
	return nil
}

// bindDescriptor mounts a file or directory, by descriptor, on a name in the bundle.
func bindDescriptor(f *os.File, isDir bool, name string) error {
	var err error
	if isDir {
		err = os.Mkdir(name, 0o755)
	} else {
		err = os.WriteFile(name, nil, 0o644)
	}
	if err != nil {
		return err
	}
	fd, err := unix.OpenTree(int(f.Fd()), "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return &os.PathError{Op: "clone the mount of", Path: f.Name(), Err: err}
	}
	mount := os.NewFile(uintptr(fd), f.Name())
	defer mount.Close()
	return overlay.Move(mount, name)
}
