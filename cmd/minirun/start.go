package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/messages"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name:      "start",
		Usage:     "start the program of a created container",
		ArgsUsage: "ID",
		Action: func(ctx *cli.Context) error {
			return container.Start(ctx.String("root"), ctx.Args().First(), os.Getenv(notifySocket), messages.Warn)
		},
	}
}
