package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/messages"
)

func rmCommand() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "remove containers created from images, with their files", ArgsUsage: "ID…",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
				Usage: "also running ones: they are killed"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "volumes", Aliases: []string{"v"},
				Usage: "also their anonymous volumes, if no other container uses them"}),
		},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return forEach(ctx, ctx.Args().Slice(), func(id string) (string, error) {
				remove := e.Remove
				if ctx.Bool("volumes") {
					remove = e.RemoveWithVolumes
				}
				err := remove(id, ctx.Bool("force"))
				if ctx.Bool("force") && errors.Is(err, engine.ErrNoContainer) { // as in docker: what matters is that it is gone
					messages.Warn(err)
					return "", nil
				}
				return id, err
			})
		},
	}
}
