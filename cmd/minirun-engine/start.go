package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "start stopped containers created from images again", ArgsUsage: "NAME…",
		Description: "They run in the background, with the settings of their first run and all that they have\n" +
			"written. A container that is running is left as it is.",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all-restart",
				Usage: "start those that their --restart policy brings back when the machine starts"}),
		},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			names := ctx.Args().Slice()
			switch all := ctx.Bool("all-restart"); {
			case all && len(names) > 0:
				return cmdline.UsageError(ctx.Command, "--all-restart takes no names")
			case all:
				if names, err = e.Due(); err != nil {
					return err
				}
				if err := e.RemoveLost(); err != nil {
					return err
				}
			case len(names) == 0:
				return cmdline.UsageError(ctx.Command, "missing argument: NAME")
			}
			return forEach(ctx, names, func(id string) (string, error) { return id, e.Start(id) })
		},
	}
}
