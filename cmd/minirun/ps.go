package main

import (
	"encoding/json"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
)

func psCommand() *cli.Command {
	return &cli.Command{
		Name:      "ps",
		Usage:     "list the containers created from images, or the processes of one container",
		ArgsUsage: "[ID [PS-OPTION...]]",
		Description: "With an ID the table is that of ps(1) with its options, -ef if none are given, and the\n" +
			"JSON is the list of process IDs. Without one: the containers created from images, as in docker ps.",
		Flags: []cli.Flag{
			formatFlag(),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"},
				Usage: "without an ID: also stopped containers"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "without an ID: show only IDs"}),
		},
		Action: func(ctx *cli.Context) error {
			if ctx.NArg() == 0 {
				return becomeEngine(ctx)
			}
			root, id := ctx.String("root"), ctx.Args().First()
			pids, err := control.Processes(root, id)
			if err != nil {
				return err
			}
			switch ctx.String("format") {
			case "table":
				table, err := processTable(pids, ctx.Args().Tail())
				if err == nil {
					_, err = io.WriteString(ctx.App.Writer, table)
				}
				return err
			case "json":
				return json.NewEncoder(ctx.App.Writer).Encode(pids)
			}
			return errFormat
		},
	}
}
