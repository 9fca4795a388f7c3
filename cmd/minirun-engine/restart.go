package main

import (
	"github.com/urfave/cli/v2"
)

func restartCommand() *cli.Command {
	return &cli.Command{
		Name: "restart", Usage: "stop containers created from images, and start them again", ArgsUsage: "NAME…",
		Description: "Containers that are not running are started. What a container has written stays.",
		Flags:       stopFlags(),
		Action: func(ctx *cli.Context) error {
			way, err := stopWay(ctx)
			if err != nil {
				return err
			}
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return forEachContainer(ctx, func(id string) error { return e.Restart(id, way) })
		},
	}
}
