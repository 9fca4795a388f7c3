package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
)

func killCommand() *cli.Command {
	return &cli.Command{
		Name:      "kill",
		Usage:     "send a signal to a container, SIGTERM if none is named",
		ArgsUsage: "ID [SIGNAL]",
		Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"},
			Usage: "to all processes of the container"})},
		Action: func(ctx *cli.Context) error {
			args := ctx.Args()
			name := "SIGTERM"
			if args.Len() == 2 {
				name = args.Get(1)
			}
			signal, err := control.ParseSignal(name)
			if err != nil {
				return err
			}
			return control.Kill(ctx.String("root"), args.First(), signal, ctx.Bool("all"))
		},
	}
}
