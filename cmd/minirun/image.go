package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
)

// imageVerbs are implemented by minirun-image, which links libraries that a runtime
// must not: a registry client, decompressors, a builder.
var imageVerbs = []struct{ name, usage string }{
	{"build", "build an image from a Dockerfile"},
	{"pull", "pull an image from a registry"},
	{"push", "push an image to a registry"},
	{"load", "load images from an archive or a directory"},
	{"save", "write images to an archive or a directory"},
	{"import", "create an image from a root file system in a tar archive"},
	{"imagetools", "combine images for several platforms in a registry, or inspect them"},
	{"images", "list images"},
	{"tag", "give an image another name"},
	{"rmi", "remove images, or one of their names"},
	{"history", "show the instructions that created an image"},
	{"unpack", "unpack an image's layers in the store, or its root file system into a directory"},
	{"bundle", "write an OCI bundle from an image, for minirun, runc or crun"},
	{"prune", "remove images without a name, and unused data"},
	{"store", "manage the image store"},
}

func imageCommand(name, usage string) func() *cli.Command {
	return func() *cli.Command {
		become := func(ctx *cli.Context) error {
			if name == "build" && ctx.Args().First() == "bake" { // a directory of this name is ./bake
				at, _ := cmdline.Find(os.Args, ctx.App)
				return becomeBake(os.Args[1:at-1], os.Args[at+1:])
			}
			return becomeImage(os.Args[1:])
		}
		return &cli.Command{Name: name, Usage: usage, SkipFlagParsing: true, Action: become,
			BashComplete: func(ctx *cli.Context) { _ = become(ctx) }}
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

// imageProgram returns the path of minirun-image.
func imageProgram() (string, error) { return helperProgram("images need", "minirun-image") }

// helperProgram returns the path of a helper: in the directory of this program, or else in
// the usual place for a package's helpers.
func helperProgram(need, name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	tried := []string{filepath.Join(filepath.Dir(self), name), "/usr/libexec/minirun/" + name}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("%s %s, which is neither %s nor %s: make build builds it, make install installs it", need,
		name, tried[0], tried[1])
}

// becomeImage executes minirun-image with these arguments.
func becomeImage(args []string) error {
	path, err := imageProgram()
	if err != nil {
		return err
	}
	return executeHelper(path, args)
}

// becomeBake executes minirun-bake, which starts minirun build with the same flags of
// minirun for each target of its files.
func becomeBake(global, args []string) error {
	path, err := helperProgram("build bake needs", "minirun-bake")
	if err != nil {
		return err
	}
	return executeHelper(path, slices.Concat(global, []string{"--"}, args))
}

func executeHelper(path string, args []string) error {
	for _, fd := range cmdline.Descriptors(args) { // sortDescriptors has set close-on-exec
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("pass on descriptor %d: %w", fd, err)
		}
	}
	err := unix.Exec(path, append([]string{"minirun"}, args...), os.Environ())
	return &os.PathError{Op: "exec", Path: path, Err: err}
}
