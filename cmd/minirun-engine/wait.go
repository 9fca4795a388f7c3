package main

import (
	"strconv"

	"github.com/urfave/cli/v2"
)

func waitCommand() *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "wait until containers created from images end, and print their exit statuses",
		ArgsUsage:   "NAME…",
		Description: "The status of a container that is not running is that of its last run.",
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return forEach(ctx, ctx.Args().Slice(), func(id string) (string, error) {
				status, err := e.Wait(id)
				return strconv.Itoa(status), err
			})
		},
	}
}
