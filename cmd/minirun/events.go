package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name:        "events",
		Usage:       "print a container's resource usage, and when it runs out of memory",
		ArgsUsage:   "ID",
		Description: "Each line is a JSON object, until the container exits.",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "interval", Value: "5s", Usage: "`TIME` between two samples"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "stats", Usage: "print one sample and exit"}),
		},
		Action: events,
	}
}

func events(ctx *cli.Context) error {
	interval, err := time.ParseDuration(ctx.String("interval"))
	if err != nil || interval <= 0 {
		return fmt.Errorf("--interval %q: must be a time above 0 such as 500ms or 5s", ctx.String("interval"))
	}
	root, id := ctx.String("root"), ctx.Args().First()
	lines := json.NewEncoder(ctx.App.Writer)
	if ctx.Bool("stats") {
		event, err := control.Sample(root, id)
		if err != nil {
			return err
		}
		return lines.Encode(event)
	}
	return control.Events(root, id, interval, func(e *control.Event) error { return lines.Encode(e) })
}
