package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/messages"
)

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name:      "delete",
		Usage:     "delete a stopped container",
		ArgsUsage: "ID",
		Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
			Usage: "kill it first, and delete everything that is left of it"})},
		Action: func(ctx *cli.Context) error {
			id := ctx.Args().First()
			warnings, err := container.Delete(container.Deletion{Root: ctx.String("root"), ID: id, Force: ctx.Bool("force"),
				Check: func(bundle string) error {
					// The store is asked only where necessary, so that engines do not pay for it.
					if bundle != "" && !image.IsContainer(bundle, id) || !isOfImage(ctx, id) {
						return nil
					}
					return newEngine(ctx).CheckDelete(id)
				}})
			for _, w := range warnings {
				messages.Log("warning", w.Error())
			}
			return err
		},
	}
}
