package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/devices"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/volumes"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/bundle"
)

// helperCommands returns the commands that `minirun run IMAGE` executes. They are not intended for
// users.
func helperCommands() []*cli.Command {
	return []*cli.Command{
		{Name: "seed", Hidden: true, ArgsUsage: "DIR PATH LAYER…", Action: seed},
		{Name: "remove-files", Hidden: true, ArgsUsage: "ID", Action: removeFiles},
		{Name: "remove-volume", Hidden: true, ArgsUsage: "NAME", Action: removeVolume},
		{Name: "add-devices", Hidden: true, ArgsUsage: "BUNDLE NAME…", Action: addDevices},
	}
}

// seed copies the content of a path in the layers to a new directory, as the initial content of a
// volume.
func seed(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 3, cmdline.Unlimited); err != nil {
		return err
	}
	args := ctx.Args().Slice()
	return bundle.Seed(args[0], args[1], args[2:])
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

// removeVolume removes a volume's directory, even if other users own files in it.
func removeVolume(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	name := ctx.Args().First()
	if err := volumes.CheckName(name); err != nil {
		return fmt.Errorf("remove-volume: %w", err)
	}
	return os.RemoveAll(volumes.Store{Dir: filepath.Join(ctx.String("store"), "volumes")}.Path(name))
}

// addDevices adds CDI devices to a bundle.
func addDevices(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 2, cmdline.Unlimited); err != nil {
		return err
	}
	return devices.AddToBundle(ctx.Args().First(), ctx.Args().Tail())
}
