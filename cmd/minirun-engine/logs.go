package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
)

func logsCommand() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "show the output of a detached container created from an image", ArgsUsage: "ID",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "continue until it exits"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "show when"}),
			cmdline.NumberFlag(cli.IntFlag{Name: "tail", Aliases: []string{"n"}, Value: -1,
				Usage: "show only the last `N` lines"}),
		},
		Action: func(ctx *cli.Context) error {
			o := engine.LogOptions{Follow: ctx.Bool("follow"), Times: ctx.Bool("timestamps"), Tail: ctx.Int("tail")}
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return e.Logs(ctx.Args().First(), o, ctx.App.Writer, os.Stderr)
		},
	}
}
