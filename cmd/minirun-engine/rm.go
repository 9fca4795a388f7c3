package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

func rmCommand() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "remove containers created from images, with their files", ArgsUsage: "ID…",
		Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
			Usage: "also running ones: they are killed"})},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return forEachContainer(ctx, func(id string) error { return e.Remove(id, ctx.Bool("force")) })
		},
	}
}
