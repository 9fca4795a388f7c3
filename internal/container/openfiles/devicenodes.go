// Package openfiles opens files for a plan that need more than open(2): device nodes, and
// a user namespace that only carries a mapping.
package openfiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/container/diagnose"
	"github.com/minirun/minirun/internal/ownthread"
	"github.com/minirun/minirun/internal/plan"
)

// DeviceNodes creates the device nodes among a plan's files, each as a detached mount
// of the node alone. Indexes are those of the files.
//
// The nodes are on a tmpfs that is mounted on dir in a separate mount namespace. It
// belongs to the host's user namespace, so the devices work, and no other process sees
// it. The kernel removes it with the last of the detached mounts.
func DeviceNodes(files []plan.File, dir string) (map[int]*os.File, error) {
	wanted := map[int]plan.File{}
	for i, f := range files {
		if f.Open == plan.Device {
			wanted[i] = f
		}
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	nodes := map[int]*os.File{}
	err := ownthread.Run(func() error {
		if err := mountNodes(dir); err != nil {
			return fmt.Errorf("config.json: linux.devices: %w", err)
		}
		for i, f := range wanted {
			node, err := deviceNode(filepath.Join(dir, strconv.Itoa(i)), &f.Node)
			if err != nil {
				return fmt.Errorf("config.json: %s: make %s: %w", f.Source, f.Name, err)
			}
			nodes[i] = node
		}
		return nil
	})
	if err != nil {
		CloseNodes(nodes)
		return nil, err
	}
	return nodes, nil
}

// CloseNodes closes device nodes that are not used.
func CloseNodes(nodes map[int]*os.File) {
	for _, f := range nodes {
		f.Close()
	}
}

// mountNodes gives the thread a mount namespace with a tmpfs on dir.
func mountNodes(dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make / a slave: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC, "mode=700"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	return nil
}

// deviceNode creates one node at a path of the thread's mount namespace.
func deviceNode(path string, n *plan.Node) (*os.File, error) {
	if err := unix.Mknod(path, n.Mode, int(n.Number)); err != nil {
		return nil, fmt.Errorf("mknod: %w%s", err, diagnose.MissingCapability(err, "CAP_MKNOD", "to make it"))
	}
	if err := unix.Chmod(path, n.Mode&0o777); err != nil { // the umask
		return nil, fmt.Errorf("chmod: %w", err)
	}
	if err := unix.Lchown(path, int(n.UID), int(n.GID)); err != nil {
		return nil, fmt.Errorf("chown: %w", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree: %w", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
