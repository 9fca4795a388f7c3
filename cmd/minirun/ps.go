package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/processtable"
)

// psCommand has the flags of runc's ps, which takes an ID, and of docker's, which minirun-engine
// implements.
func psCommand() *cli.Command {
	return &cli.Command{
		Name:      "ps",
		Usage:     "list the containers created from images, or the processes of one container",
		ArgsUsage: "[ID [PS-OPTION...]]",
		Description: "With an ID the table is that of ps(1) with its options, -ef if none are given, and the\n" +
			"JSON is the list of process IDs. Without one: the containers created from images, as in docker ps.",
		Flags:  append([]cli.Flag{psFormat()}, cmdline.ContainerListFlags()...),
		Action: listProcesses,
	}
}

func psFormat() cli.Flag {
	return cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "table",
		Usage: "table or json; without an ID also a `TEMPLATE`, as in docker ps"})
}

func listProcesses(ctx *cli.Context) error {
	if ctx.NArg() == 0 {
		return becomeEngine(ctx)
	}
	for _, name := range []string{"all", "quiet", "latest", "last", "size", "no-trunc"} {
		if ctx.IsSet(name) {
			return cmdline.UsageError(ctx.Command, fmt.Sprintf("--%s lists containers: it cannot be used with an ID", name))
		}
	}
	format := ctx.String("format")
	for _, f := range cmdline.ListValues(ctx, "filter") {
		if format = f; f != "table" && f != "json" { // runc's -f
			return errFormat
		}
	}
	pids, err := control.Processes(ctx.String("root"), ctx.Args().First())
	if err != nil {
		return err
	}
	switch format {
	case "table":
		table, err := processtable.Text(pids, ctx.Args().Tail())
		if err == nil {
			_, err = io.WriteString(ctx.App.Writer, table)
		}
		return err
	case "json":
		return json.NewEncoder(ctx.App.Writer).Encode(pids)
	}
	return errFormat
}
