package bootstrap

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// The plan's image is a file on a tmpfs where the kernel refuses to execute memfds:
// vm.memfd_noexec is 2, or a seccomp filter around minirun forbids memfd_create(2).
// The tmpfs is mounted nowhere and read-only. No process can open the file for
// writing, not even through /proc/PID/exe, which the seals of a memfd prevent
// otherwise (CVE-2019-5736).

// tmpfsImage returns the image in an unlinked file. It needs CAP_SYS_ADMIN.
func tmpfsImage(name string, code, data []byte) (*os.File, error) {
	mount, err := privateTmpfs()
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(mount) }()
	// /proc/PID/exe shows the same as for a memfd: InPlan recognizes it by that.
	name = "memfd:" + name
	w, err := unix.Openat(mount, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o555)
	if err != nil {
		return nil, fmt.Errorf("create a file on a tmpfs: %w", err)
	}
	err = writeImage(w, code, data)
	// A file that is open for writing cannot be executed.
	if err = errors.Join(err, unix.Close(w)); err != nil {
		return nil, fmt.Errorf("write the plan's image: %w", err)
	}
	fd, err := unix.Openat(mount, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open the plan's image: %w", err)
	}
	err = unix.Unlinkat(mount, name, 0)
	if err == nil {
		err = unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("protect the plan's image: %w", err)
	}
	return os.NewFile(uintptr(fd), "plan"), nil
}

// privateTmpfs returns a tmpfs that is mounted nowhere.
func privateTmpfs() (mount int, err error) {
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("fsopen tmpfs: %w", err)
	}
	defer func() { _ = unix.Close(fs) }()
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("fsconfig tmpfs: %w", err)
	}
	mount, err = unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, fmt.Errorf("fsmount tmpfs: %w", err)
	}
	return mount, nil
}
