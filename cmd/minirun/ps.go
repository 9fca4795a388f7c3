package main

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container"
)

func psCommand() *cli.Command {
	return &cli.Command{
		Name:      "ps",
		Usage:     "print the processes of a container",
		ArgsUsage: "ID [PS-OPTION...]",
		Description: "The table is that of ps(1) with its options, -ef if none are given. The JSON is\n" +
			"the list of process IDs.",
		Flags: []cli.Flag{formatFlag()},
		Action: func(ctx *cli.Context) error {
			if ctx.NArg() == 0 {
				return errors.New("ps: of which container? usage: minirun ps [--format FORMAT] ID [PS-OPTION...]")
			}
			root, id := ctx.String("root"), ctx.Args().First()
			switch ctx.String("format") {
			case "table":
				table, err := container.ProcessTable(root, id, ctx.Args().Tail())
				if err == nil {
					_, err = io.WriteString(ctx.App.Writer, table)
				}
				return err
			case "json":
				pids, err := container.Processes(root, id)
				if err != nil {
					return err
				}
				return json.NewEncoder(ctx.App.Writer).Encode(pids)
			}
			return errFormat
		},
	}
}
