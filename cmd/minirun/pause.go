package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container/control"
)

func pauseCommand() *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Usage:     "stop all processes of a container until resume",
		ArgsUsage: "ID",
		Action: func(ctx *cli.Context) error {
			return control.Pause(ctx.String("root"), ctx.Args().First())
		},
	}
}

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "resume the processes of a paused container",
		ArgsUsage: "ID",
		Action: func(ctx *cli.Context) error {
			return control.Resume(ctx.String("root"), ctx.Args().First())
		},
	}
}
