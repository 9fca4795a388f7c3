package main

import (
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
)

func stopCommand() *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "ask containers created from images to exit, and kill them if they do not",
		ArgsUsage: "NAME…",
		Flags:     stopFlags(),
		Action:    stopAction((*engine.Engine).Stop),
	}
}

// stopAction returns the action of a command that stops all named containers in the way that its flags
// describe.
func stopAction(stop func(e *engine.Engine, id string, way engine.StopWay) error) cli.ActionFunc {
	return func(ctx *cli.Context) error {
		way, err := stopWay(ctx)
		if err != nil {
			return err
		}
		e, err := newEngine(ctx)
		if err != nil {
			return err
		}
		return forEachContainer(ctx, func(id string) error { return stop(e, id, way) })
	}
}

// stopFlags are the flags of stop and restart.
func stopFlags() []cli.Flag {
	return []cli.Flag{
		cmdline.NumberFlag(cli.IntFlag{Name: "time", Aliases: []string{"t", "timeout"},
			Usage:       "kill after `SECONDS`, 10 if neither this nor --stop-timeout of run is given; -1: never",
			DefaultText: "10"}),
		cmdline.TextFlag(cli.StringFlag{Name: "signal", Aliases: []string{"s"},
			Usage: "ask with `SIGNAL` instead of the image's, or SIGTERM"}),
	}
}

// stopWay reads the flags of stop and restart.
func stopWay(ctx *cli.Context) (way engine.StopWay, err error) {
	seconds := ctx.Int("time")
	if seconds < -1 || seconds > math.MaxInt32 {
		return way, fmt.Errorf("%s: --time %d: must be from 0 to %d, or -1 for no limit", ctx.Command.Name, seconds,
			math.MaxInt32)
	}
	way = engine.StopWay{Signal: ctx.String("signal")}
	if ctx.IsSet("time") {
		way.Seconds = &seconds
	}
	if err := way.Check(); err != nil {
		return way, fmt.Errorf("%s: --signal: %w", ctx.Command.Name, err)
	}
	return way, nil
}
