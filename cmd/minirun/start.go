package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
	"github.com/minirun/minirun/internal/messages"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "start the program of a created container, or stopped containers created from images",
		ArgsUsage: "ID  |  NAME…",
		Description: "A container that `minirun create` has created starts its program, as in runc. Containers\n" +
			"created from images start again in the background, with what they have written.",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all-restart",
				Usage: "image: start those that their --restart policy brings back when the machine starts"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "attach", Aliases: []string{"a"},
				Usage: "image: show its output until it ends, pass signals on, and exit with its status"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Hidden: true}),
		},
		Action: func(ctx *cli.Context) error {
			id := ctx.Args().First()
			if ctx.NArg() != 1 || ctx.NumFlags() > 0 {
				return becomeEngine(ctx)
			}
			err := container.Start(ctx.String("root"), id, os.Getenv(notifySocket), messages.Warn)
			var missing *record.NotExistError
			var past *record.NotCreatedError
			// Only now, so that engines do not pay for it.
			if (errors.As(err, &missing) || errors.As(err, &past)) && isOfImage(ctx, id) {
				return becomeEngine(ctx)
			}
			return err
		},
	}
}

// isOfImage reports whether a container was created from an image. A container of a bundle in the
// directory of --root comes first: engines choose names without asking this store.
func isOfImage(ctx *cli.Context, id string) bool {
	dir := imageStore(ctx).Container(id)
	if _, err := os.Lstat(filepath.Join(dir, "container.json")); err != nil {
		return false
	}
	state, err := control.State(ctx.String("root"), id)
	if err != nil {
		return true
	}
	own, err := os.Stat(dir)
	bundle, gone := os.Stat(state.Bundle)
	return err == nil && gone == nil && os.SameFile(own, bundle)
}
