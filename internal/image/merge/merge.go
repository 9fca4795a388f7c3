// Package merge shows the layers of an image as one tree, read-only, which only
// this process sees: for who copies it (`minirun bundle`) or looks into it.
package merge

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Open mounts the layers, lowest first, where nobody sees it, and returns a
// descriptor of the mount, which goes with it. Files below it have paths below
// /proc/self/fd/N.
func Open(layers []string, userXattrs bool) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result)
	go func() {
		// The thread has a mount namespace of its own from here on; it ends with the goroutine.
		runtime.LockOSThread()
		f, err := open(layers, userXattrs)
		done <- result{f, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("merge %d layers: %w", len(layers), r.err)
	}
	return r.f, nil
}

func open(layers []string, userXattrs bool) (*os.File, error) {
	if len(layers) == 0 {
		return nil, errors.New("there are none")
	}
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return nil, fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return nil, fmt.Errorf("make the mounts private: %w", err)
	}
	if len(layers) == 1 { // overlay wants two
		return clone(layers[0])
	}
	// Names from the directory that all layers are in: their list must fit into a page.
	dir := commonDir(layers)
	if err := unix.Chdir(dir); err != nil {
		return nil, &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	names := make([]string, 0, len(layers))
	for _, l := range slices.Backward(layers) {
		rel, err := filepath.Rel(dir, l)
		if err != nil {
			return nil, err
		}
		names = append(names, escape.Replace(rel))
	}
	options := "lowerdir=" + strings.Join(names, ":")
	if userXattrs {
		options += ",userxattr"
	}
	if len(options) >= os.Getpagesize() {
		return nil, fmt.Errorf("their names take %d bytes, mount(2) takes %d", len(options), os.Getpagesize()-1)
	}
	if err := unix.Mount("overlay", dir, "overlay", unix.MS_RDONLY, options); err != nil { // nobody else sees that it hides the layers
		return nil, fmt.Errorf("mount overlay with %s: %w", options, err)
	}
	return clone(dir)
}

var escape = strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`)

func commonDir(layers []string) string {
	dir := filepath.Dir(layers[0])
	for _, l := range layers {
		for dir != "/" && !strings.HasPrefix(l, dir+"/") {
			dir = filepath.Dir(dir)
		}
	}
	return dir
}

// clone takes a mount out of this namespace.
func clone(path string) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("clone the mount of %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
