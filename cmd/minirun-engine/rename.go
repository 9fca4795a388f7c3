package main

import (
	"github.com/urfave/cli/v2"
)

func renameCommand() *cli.Command {
	return &cli.Command{
		Name: "rename", Usage: "give a stopped container created from an image another name", ArgsUsage: "NAME NEW",
		Description: "Its host name stays. A running container must be stopped first: its name is also that of\n" +
			"its cgroup and of its directory.",
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return e.Rename(ctx.Args().First(), ctx.Args().Get(1))
		},
	}
}
