package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
)

func createCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "create a container, up to the point where only start is missing",
		ArgsUsage: "ID BUNDLE  |  -b BUNDLE ID",
		Flags:     createFlags(),
		Action: func(ctx *cli.Context) error {
			o, err := bundleOptions(ctx)
			if err != nil {
				return err
			}
			if o.ID == "" {
				return cmdline.UsageError(ctx.Command, "missing argument: ID")
			}
			c, err := container.Create(o)
			if err != nil {
				return err
			}
			c.Close()
			return nil
		},
	}
}
