package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/usage"
	"github.com/minirun/minirun/internal/stdio"
)

func statsCommand() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "show how much containers created from images use, live", ArgsUsage: "[ID…]",
		Description: "Without an ID: all that run. On a terminal the table stays on one screen until Ctrl-C.\n" +
			"100 % is one CPU.",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also containers that do not run"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "no-stream", Usage: "show one sample and exit"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "no-trunc", Usage: "show IDs in full"}),
			cmdline.TextFlag(cli.StringFlag{Name: "format", Value: "table",
				Usage: "table, json, or a `TEMPLATE`, as in docker stats"}),
		},
		Action: showStats,
	}
}

func showStats(ctx *cli.Context) error {
	o := usage.Options{All: ctx.Bool("all"), NoStream: ctx.Bool("no-stream"), NoTrunc: ctx.Bool("no-trunc"),
		Format: ctx.String("format")}
	if ctx.NArg() > 0 {
		o.Names = ctx.Args().Slice()
	}
	switch {
	case o.All && o.Names != nil:
		return cmdline.UsageError(ctx.Command, "--all cannot be used with the names of containers")
	case o.Format != "table" && o.Format != "json" && !strings.Contains(o.Format, "{{"):
		return cmdline.UsageError(ctx.Command, fmt.Sprintf("--format %q: must be table, json or a template such as "+
			"'{{.Name}}: {{.CPUPerc}}'", o.Format))
	}
	e, err := newEngine(ctx)
	if err != nil {
		return err
	}
	stopping, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if stdio.Out.IsTerminal() && !o.NoStream && o.Format != "json" {
		return usage.Watch(stopping, os.Stdout, e, o)
	}
	return usage.Write(stopping, os.Stdout, e, o)
}
