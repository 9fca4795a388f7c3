package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
)

// imageVerbs are implemented by minirun-image, which links libraries that a runtime
// must not: a registry client, decompressors, a builder.
var imageVerbs = []struct{ name, usage string }{
	{"build", "build an image from a Dockerfile"},
	{"pull", "fetch an image from a registry"},
	{"push", "send an image to a registry"},
	{"load", "load images from an archive or a directory"},
	{"save", "write images to an archive or a directory"},
	{"import", "create an image from a root file system in a tar archive"},
	{"images", "list images"},
	{"tag", "give an image another name"},
	{"rmi", "remove images, or one of their names"},
	{"history", "show the instructions that created an image"},
	{"unpack", "unpack an image's layers in the store, or its root file system into a directory"},
	{"bundle", "write an OCI bundle for an image: for minirun, runc or crun"},
	{"prune", "remove images without a name, and unused data"},
	{"store", "manage the store of images"},
}

func imageCommand(name, usage string) func() *cli.Command {
	return func() *cli.Command {
		become := func(*cli.Context) error { return becomeImage(os.Args[1:]) }
		return &cli.Command{Name: name, Usage: usage, SkipFlagParsing: true, Action: become, BashComplete: func(ctx *cli.Context) { _ = become(ctx) }}
	}
}

// imageStore returns the store of --store. The default is determined only here: most
// calls of minirun do not involve images.
func imageStore(ctx *cli.Context) *image.Store {
	dir := ctx.String("store")
	if dir == "" {
		dir = image.DefaultDir()
	}
	if abs, err := filepath.Abs(dir); err == nil { // paths in config.json are otherwise relative to the bundle
		dir = abs
	}
	return &image.Store{Dir: dir}
}

// imageProgram returns the path of minirun-image: in the directory of this program, or
// else in the usual place for a package's helpers.
func imageProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	tried := []string{filepath.Join(filepath.Dir(self), "minirun-image"), "/usr/libexec/minirun/minirun-image"}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("images need minirun-image, which is neither %s nor %s: make build builds it, make install installs it", tried[0], tried[1])
}

// becomeImage executes minirun-image with these arguments.
func becomeImage(args []string) error {
	path, err := imageProgram()
	if err != nil {
		return err
	}
	for _, fd := range cmdline.Descriptors(args) { // sortDescriptors has set close-on-exec
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("pass on descriptor %d: %w", fd, err)
		}
	}
	err = unix.Exec(path, append([]string{"minirun"}, args...), os.Environ())
	return &os.PathError{Op: "exec", Path: path, Err: err}
}
