// Package bundle writes the root file system of an image, and OCI bundles, to directories.
//
//	bundle.go  config.json and the root file system
//	rootfs.go  the merged tree of layers → a directory that other users cannot misuse
//	tree.go    copies a directory with all attributes of its files
package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/termtext"
)

// CopyRootfs copies the tree that a container with these layers would see to a new directory. It
// copies into a private directory and then moves the result, so that other users can never execute
// an image's set-user-ID programs (CVE-2021-41091).
func CopyRootfs(ctx context.Context, layers []string, dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s already exists\nhint: choose a new directory", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	private, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".")
	if err != nil {
		return err
	}
	root := filepath.Join(private, "root")
	if err = copyLayers(ctx, layers, root); err == nil {
		err = excludeOtherUsers(root, dir)
	}
	if err == nil {
		err = os.Rename(root, dir)
	}
	if err != nil {
		err = fmt.Errorf("copy the root file system to %s: %w", dir, err)
	}
	return errors.Join(err, os.RemoveAll(private))
}

// excludeOtherUsers sets mode 0700 on a root file system, unless a directory above its destination
// already excludes other users. A directory of another user does not, since its owner can enter
// it.
func excludeOtherUsers(root, dir string) error {
	parent, err := filepath.Abs(filepath.Dir(dir))
	if err == nil {
		parent, err = filepath.EvalSymlinks(parent)
	}
	if err != nil {
		return err
	}
	for at := parent; ; at = filepath.Dir(at) {
		var st unix.Stat_t
		if err := unix.Stat(at, &st); err != nil {
			return &os.PathError{Op: "stat", Path: at, Err: err}
		}
		if isOurs := st.Uid == 0 || int(st.Uid) == os.Geteuid(); isOurs && st.Mode&0o011 == 0 {
			return nil
		}
		if at == "/" {
			break
		}
	}
	termtext.Fprintf(os.Stderr, "minirun: %s\n",
		language.Text(fmt.Sprintf("%s gets mode 0700, because the image may contain set-user-ID programs", dir)))
	return os.Chmod(root, 0o700)
}

// copyLayers copies layers to a new directory.
func copyLayers(ctx context.Context, layers []string, dir string) error {
	if len(layers) == 0 {
		return os.Mkdir(dir, 0o755)
	}
	tree, err := overlay.Open(layers, namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	stop, err := stopCopying(ctx, tree)
	if err != nil {
		return err
	}
	defer stop()
	err = CopyTree(dir, fmt.Sprintf("/proc/self/fd/%d/.", tree.Fd()))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// stopCopying aborts a copy of a tree when the context ends. The library that copies does not take
// a context, so the tree's descriptor is replaced with one of /dev/null, below which no file can be
// found.
func stopCopying(ctx context.Context, tree *os.File) (stop func(), err error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = unix.Dup3(int(null.Fd()), int(tree.Fd()), unix.O_CLOEXEC)
	})
	return func() {
		if !cancel() {
			<-done
		}
		_ = null.Close()
	}, nil
}
