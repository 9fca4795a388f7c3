package main

import (
	"fmt"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

func stopCommand() *cli.Command {
	return &cli.Command{
		Name: "stop", Usage: "ask containers created from images to exit, and kill them if they do not",
		ArgsUsage: "ID…",
		Flags: []cli.Flag{cmdline.NumberFlag(cli.IntFlag{Name: "time", Aliases: []string{"t"}, Value: 10,
			Usage: "kill after `SECONDS`"})},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			seconds := ctx.Int("time")
			if seconds < 0 || seconds > math.MaxInt32 {
				return fmt.Errorf("stop: --time %d: must be from 0 to %d", seconds, math.MaxInt32)
			}
			return forEachContainer(ctx, func(id string) error { return e.Stop(id, time.Duration(seconds)*time.Second) })
		},
	}
}
