package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/termtext"
)

// psCommand implements `ps` without an ID.
func psCommand() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "list the containers created from images",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table",
				Usage: "table or json"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also show stopped containers"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show only IDs"}),
		},
		Action: listContainers,
	}
}

func listContainers(ctx *cli.Context) error {
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	list, err := e.List(ctx.Bool("all"))
	if err != nil {
		return err
	}
	switch {
	case ctx.Bool("quiet"):
		for _, l := range list {
			termtext.Fprintln(ctx.App.Writer, l.Container)
		}
		return nil
	case ctx.String("format") == "json":
		return cmdline.WriteJSON(ctx.App.Writer, list)
	case ctx.String("format") != "table":
		return errors.New("invalid format option: must be table or json")
	}
	table := tabwriter.NewWriter(ctx.App.Writer, 0, 0, 3, ' ', 0)
	termtext.Fprintf(table, "NAME\tIMAGE\tCOMMAND\tSTATUS\tPID\tPORTS\n")
	for _, l := range list {
		pid := ""
		if l.Pid != 0 {
			pid = fmt.Sprint(l.Pid)
		}
		termtext.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.Container, image.Familiar(l.Name),
			termtext.Clip(strings.Join(l.Command, " "), 30), l.Status(), pid, strings.Join(l.PortList(), ", "))
	}
	return table.Flush()
}

func logsCommand() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "show the output of a detached container created from an image", ArgsUsage: "ID",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "continue until it exits"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "show when"}),
			cmdline.NumberFlag(cli.IntFlag{Name: "tail", Aliases: []string{"n"}, Value: -1,
				Usage: "show only the last `N` lines"}),
		},
		Action: func(ctx *cli.Context) error {
			o := engine.LogOptions{Follow: ctx.Bool("follow"), Times: ctx.Bool("timestamps"), Tail: ctx.Int("tail")}
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return e.Logs(ctx.Args().First(), o, ctx.App.Writer, os.Stderr)
		},
	}
}
