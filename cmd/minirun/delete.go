package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
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
			if isOfImage(ctx, id) {
				if err := newEngine(ctx).CheckDelete(id); err != nil {
					return err
				}
			}
			warnings, err := container.Delete(ctx.String("root"), id, ctx.Bool("force"))
			for _, w := range warnings {
				messages.Log("warning", w.Error())
			}
			return err
		},
	}
}
