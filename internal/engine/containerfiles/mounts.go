package containerfiles

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/ownthread"
	"github.com/minirun/minirun/internal/regularfile"
)

// mount mounts the layers of a container that is not running on a directory, with its volumes and
// paths of the host, and opens it. All of it is in a mount namespace that only this call sees; the
// descriptor keeps a copy.
func (r *Root) mount(layers overlay.Overlay, directory string) error {
	return ownthread.Run(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			return fmt.Errorf("create a mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("make the mounts private: %w", err)
		}
		if err := layers.Attach(directory); err != nil {
			return err
		}
		root, err := unix.Open(directory, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &os.PathError{Op: "open", Path: directory, Err: err}
		}
		defer func() { _ = unix.Close(root) }()
		for i := range r.config.Mounts {
			m := &r.config.Mounts[i]
			if m.Type != "bind" || bind(root, m) != nil { // it cannot be reached, as without this attempt
				r.hidden = append(r.hidden, m.Destination)
			} else {
				r.mounted = append(r.mounted, m.Destination)
			}
		}
		fd, err := unix.OpenTree(root, "",
			unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
		if err != nil {
			return fmt.Errorf("clone the mounts of the container: %w", err)
		}
		r.dir = os.NewFile(uintptr(fd), "/")
		return nil
	})
}

// bind performs a bind mount of config.json below the open root directory. The target is resolved there.
func bind(root int, m *specs.Mount) error {
	source, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(source) }()
	if slices.Contains(m.Options, "ro") {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(source, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
			return err
		}
	}
	target, err := regularfile.OpenPathIn(root, m.Destination, 0, inContainer)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.MoveMount(source, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH),
		unix.Close(target))
}

// isBelow reports whether a path is one of the directories or below one of them.
func isBelow(at string, directories []string) (directory string, below bool) {
	for _, d := range directories {
		if at == d || strings.HasPrefix(at, strings.TrimSuffix(d, "/")+"/") {
			return d, true
		}
	}
	return "", false
}
