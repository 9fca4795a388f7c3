package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/processtable"
)

func topCommand() *cli.Command {
	return &cli.Command{
		Name: "top", Usage: "show the processes of a container created from an image", ArgsUsage: "ID [PS-OPTION...]",
		Description: "The table is that of ps(1) with its options, -ef if none are given. minirun stats shows how much\n" +
			"containers use.",
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			name := ctx.Args().First()
			l, err := e.Status(name)
			if err != nil {
				return err
			}
			if !l.IsRunning() {
				return fmt.Errorf("container %s is not running\nhint: start it with: minirun start %[1]s", name)
			}
			pids, err := control.Processes(e.Root, name)
			if err != nil {
				return err
			}
			table, err := processtable.Text(pids, ctx.Args().Tail())
			if err == nil {
				_, err = io.WriteString(ctx.App.Writer, table)
			}
			return err
		},
	}
}
