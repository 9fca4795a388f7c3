// Package overlay mounts the layers of an image as one tree that only this process sees: read-only
// for callers that copy from it (`minirun bundle`) or inspect it, writable for the steps of a
// build.
//
//	overlay.go    Open: a read-only tree
//	writable.go   Overlay: layers below a directory that receives the changes
package overlay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/overlay"
	"github.com/minirun/minirun/internal/ownthread"
)

// Open mounts the layers, lowest first, invisibly to other processes, and returns a descriptor of
// the mount, which is released with the descriptor. Files in it are reached by paths below
// /proc/self/fd/N.
func Open(layers []string, userXattrs bool) (*os.File, error) {
	var f *os.File
	err := ownthread.Run(func() (err error) {
		f, err = open(layers, userXattrs)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot mount %d layers: %w", len(layers), err)
	}
	return f, nil
}

func open(layers []string, userXattrs bool) (*os.File, error) {
	if len(layers) == 0 {
		return nil, errors.New("the list of layers is empty")
	}
	layers = overlay.Distinct(layers)
	o := Overlay{Layers: layers, UserXattrs: userXattrs}
	if len(layers) > 1 { // overlay needs two layers
		if f, err := o.createMount(); !errors.Is(err, errors.ErrUnsupported) {
			return f, err
		}
	}
	if err := unshareMounts(); err != nil {
		return nil, err
	}
	if len(layers) == 1 {
		return cloneMount(layers[0])
	}
	dir := overlay.CommonDir(layers)
	if err := o.mount(dir); err != nil { // no other process sees that it hides the layers
		return nil, err
	}
	return cloneMount(dir)
}

// unshareMounts gives the calling thread a private mount namespace.
func unshareMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("create a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	return nil
}

// lowerdir formats layers as options of mount(2). It changes to their common directory and uses
// relative names, because the list must fit into a page.
func lowerdir(layers []string, userXattrs bool) (string, error) {
	dir := overlay.CommonDir(layers)
	if err := unix.Chdir(dir); err != nil {
		return "", &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	names := make([]string, 0, len(layers))
	for _, l := range slices.Backward(layers) {
		rel, err := filepath.Rel(dir, l)
		if err != nil {
			return "", err
		}
		names = append(names, overlay.EscapeLayer(rel))
	}
	options := "lowerdir=" + strings.Join(names, ":")
	if userXattrs {
		options += ",userxattr"
	}
	return options, nil
}

func mount(target string, flags uintptr, options string) error {
	if len(options) >= os.Getpagesize() {
		return fmt.Errorf("the paths of the layers need %d bytes, but mount(2) accepts only %d", len(options),
			os.Getpagesize()-1)
	}
	if err := unix.Mount("overlay", target, "overlay", flags, options); err != nil {
		return fmt.Errorf("mount overlay with %s: %w", options, err)
	}
	return nil
}

// cloneMount detaches a copy of a mount from this namespace.
func cloneMount(path string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("clone the mount of %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
