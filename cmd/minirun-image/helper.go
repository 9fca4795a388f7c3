package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/bundle"
	"github.com/minirun/minirun/internal/image/overlay"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/regularfile"
)

// helperCommands returns the commands that `minirun run IMAGE` executes. They are not intended for
// users.
func helperCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "seed", Hidden: true, ArgsUsage: "DIR PATH LAYER…", Action: seed},
		{Name: "remove-files", Hidden: true, ArgsUsage: "ID", Action: removeFiles},
	}
}

// seed copies the content of a path in the layers to a new directory, as the initial content of a
// volume.
func seed(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 3, cmdline.Unlimited); err != nil {
		return err
	}
	dir, path, layers := ctx.Args().Get(0), ctx.Args().Get(1), ctx.Args().Slice()[2:]
	tree, err := overlay.Open(layers, namespaces.Unprivileged())
	if err != nil {
		return err
	}
	defer func() { _ = tree.Close() }()
	// The image controls the path and the links in it: they are resolved in its root.
	from, err := regularfile.OpenPathIn(int(tree.Fd()), path, unix.O_DIRECTORY,
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err != nil {
		return &os.PathError{Op: "open in the image", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(from) }()
	temporary := dir + ".new"
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := bundle.CopyTree(temporary, fmt.Sprintf("/proc/self/fd/%d/.", from)); err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	return os.Rename(temporary, dir)
}

// removeFiles removes a container's directory, even if other users own files in it.
func removeFiles(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	id := ctx.Args().First()
	if id == "" || strings.ContainsRune(id, '/') || strings.HasPrefix(id, ".") {
		return fmt.Errorf("remove-files: %q is not a container ID", id)
	}
	return os.RemoveAll((&image.Store{Dir: ctx.String("store")}).Container(id))
}
