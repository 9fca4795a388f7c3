package record

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A HostMount identifies that mount.
type HostMount struct {
	Below uint64 `json:"below"`        // mount ID of root.path before
	ID    uint64 `json:"id,omitempty"` // its own; 0 before the container is created
}

// MountID identifies the topmost mount on a directory: unique until the next boot
// (Linux 6.8), or on older kernels as long as the mount exists.
func MountID(path string) (id uint64, fd int, err error) {
	fd, err = unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Statx_t
	for _, mask := range []int{unix.STATX_MNT_ID_UNIQUE, unix.STATX_MNT_ID} {
		if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, mask, &st); err != nil {
			return 0, -1, errors.Join(&os.PathError{Op: "statx", Path: path, Err: err}, unix.Close(fd))
		}
		if st.Mask&uint32(mask) != 0 {
			return st.Mnt_id, fd, nil
		}
	}
	return 0, -1,
		errors.Join(fmt.Errorf("statx %s: the kernel does not report a mount ID: Linux 5.8 or newer is needed", path),
			unix.Close(fd))
}

// IntendHostMount records the mount that root.path is on now.
func (r *Record) IntendHostMount() error {
	below, fd, err := MountID(r.Rootfs)
	if err != nil {
		return fmt.Errorf("config.json: root.path: %w", err)
	}
	r.OnHost = &HostMount{Below: below}
	return unix.Close(fd)
}

// RemoveHostMount removes the container's mounts. Only the topmost one can be removed:
// mounts made over it have to be removed first.
func (r *Record) RemoveHostMount() error {
	if r.OnHost == nil {
		return nil
	}
	top, fd, err := MountID(r.Rootfs)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it cannot be removed while something is mounted on it
	}
	if err != nil {
		return fmt.Errorf("unmount the root: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	if top == r.OnHost.Below {
		return nil
	}
	if r.OnHost.ID != 0 && top != r.OnHost.ID {
		return fmt.Errorf("unmount the root: %s has another mount on top of the container's: delete the container, "+
			"or unmount what is there, and delete this one again", r.Rootfs)
	}
	// By descriptor: it is the mount that was checked.
	if err := unix.Unmount(fmt.Sprintf("/proc/self/fd/%d", fd), unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the root: umount2 %s: %w", r.Rootfs, err)
	}
	return nil
}
