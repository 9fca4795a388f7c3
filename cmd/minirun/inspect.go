package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/look"
)

func inspectCommand() *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "show a container from both sides: the host's and its own",
		ArgsUsage: "ID",
		Flags: []cli.Flag{
			textFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}),
			toggleFlag(cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "show it again and again, until the container ends"}),
			textFlag(cli.StringFlag{Name: "interval", Value: "1s", Usage: "`TIME` between two looks of --watch"}),
		},
		Action: inspect,
	}
}

func inspect(ctx *cli.Context) error {
	if ctx.NArg() != 1 {
		return errors.New("inspect: which container? usage: minirun inspect ID")
	}
	format := ctx.String("format")
	if format != "table" && format != "json" {
		return fmt.Errorf("--format %q: must be table or json", format)
	}
	interval, err := time.ParseDuration(ctx.String("interval"))
	if err != nil || interval <= 0 {
		return fmt.Errorf("--interval %q: must be a time above 0 such as 500ms or 5s", ctx.String("interval"))
	}
	for {
		v, err := look.Inspect(ctx.String("root"), ctx.Args().First())
		if err != nil {
			return err
		}
		if ctx.Bool("watch") && format == "table" {
			fmt.Fprintf(ctx.App.Writer, "\x1b[H\x1b[2J") // home, and clear the screen
		}
		if err := showView(ctx.App.Writer, v, format); err != nil {
			return err
		}
		if !ctx.Bool("watch") || v.Status == string(specs.StateStopped) {
			return nil
		}
		time.Sleep(interval)
	}
}

func showView(w io.Writer, v *look.View, format string) error {
	if format == "json" {
		return indented(w, v)
	}
	return v.Text(w)
}
