package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/logfile"
)

func logsCommand() *cli.Command {
	return &cli.Command{
		Name: "logs", Usage: "show the output of a detached container created from an image", ArgsUsage: "ID",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "follow", Aliases: []string{"f"},
				Usage: "follow the output until the container exits"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "timestamps", Aliases: []string{"t"}, Usage: "show when"}),
			cmdline.TextFlag(cli.StringFlag{Name: "tail", Aliases: []string{"n"}, Value: "all",
				Usage: "show only the last `N` lines"}),
			cmdline.TextFlag(cli.StringFlag{Name: "since",
				Usage: "show only lines written since `TIME`: 2026-11-30T18:00:00Z, or 10m for ten minutes ago"}),
			cmdline.TextFlag(cli.StringFlag{Name: "until", Usage: "show only lines written before `TIME`"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "details", Hidden: true}),
		},
		Action: func(ctx *cli.Context) error {
			o, err := logOptions(ctx)
			if err != nil {
				return err
			}
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return e.Logs(ctx.Args().First(), o, ctx.App.Writer, os.Stderr)
		},
	}
}

// logOptions returns the options of the flags of logs.
func logOptions(ctx *cli.Context) (logfile.Options, error) {
	o := logfile.Options{Follow: ctx.Bool("follow"), Times: ctx.Bool("timestamps"), Tail: -1}
	if ctx.Bool("details") {
		return o, cmdline.UsageError(ctx.Command,
			"--details: there are none, because a log of minirun has no labels or variables")
	}
	if text := ctx.String("tail"); text != "all" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return o, cmdline.UsageError(ctx.Command, fmt.Sprintf("--tail %q: must be a number of lines, or all", text))
		}
		o.Tail = int(n)
	}
	now := time.Now()
	for name, at := range map[string]*time.Time{"since": &o.Since, "until": &o.Until} {
		if !ctx.IsSet(name) {
			continue
		}
		t, err := cmdline.ParseMoment(ctx.String(name), now)
		if err != nil {
			return o, cmdline.UsageError(ctx.Command, fmt.Sprintf("--%s: %v", name, err))
		}
		*at = t
	}
	return o, nil
}
