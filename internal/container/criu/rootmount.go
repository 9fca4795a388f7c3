package criu

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/compile"
	"github.com/minirun/minirun/internal/ownthread"
	"github.com/minirun/minirun/internal/rootfs"
)

// withRootMounted calls do on a thread that has its own mount namespace, in which the
// root file system is a mount, as criu requires: the host never has it. Then the
// thread leaves the namespace, and stays: it is the parent of what criu restores,
// which may have requested a signal when its parent dies (PR_SET_PDEATHSIG).
func withRootMounted(in compile.Inputs, readonly bool, do func() error) error {
	return ownthread.RunAndStay(func() (err error) {
		host, err := os.Open("/proc/thread-self/ns/mnt")
		if err != nil {
			return err
		}
		defer host.Close()
		defer func() { err = errors.Join(err, unix.Setns(int(host.Fd()), unix.CLONE_NEWNS)) }()
		err = mountRoot(in)
		if err == nil && readonly {
			// criu keeps the flags of all mounts except the root's.
			err = unix.MountSetattr(-1, in.Rootfs.Root, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		}
		if err != nil {
			return fmt.Errorf("config.json: root.path: %w", err)
		}
		return do()
	})
}

func mountRoot(in compile.Inputs) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make / a slave: %w", err)
	}
	root := in.Rootfs.Root
	if len(in.Rootfs.Layers) > 0 {
		return mountOverlay(in.Rootfs)
	}
	if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s on itself: %w", root, err)
	}
	return nil
}

// mountOverlay mounts the layers on the root.
func mountOverlay(in rootfs.Input) error {
	here, err := os.Open(".")
	if err != nil {
		return err
	}
	defer here.Close()
	dir, options := rootfs.OverlayOptions(in)
	if err := unix.Chdir(dir); err != nil { // only this thread's, which has its own mount namespace
		return fmt.Errorf("chdir %s: %w", dir, err)
	}
	if err := unix.Mount("overlay", in.Root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay on %s: %w", in.Root, err)
	}
	return here.Chdir()
}
