package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/termtext"
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

func rmCommand() *cli.Command {
	return &cli.Command{
		Name: "rm", Usage: "remove containers created from images, with their files", ArgsUsage: "ID…",
		Flags: []cli.Flag{cmdline.ToggleFlag(cli.BoolFlag{Name: "force", Aliases: []string{"f"},
			Usage: "also running ones: they are killed"})},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return forEachContainer(ctx, func(id string) error { return e.Remove(id, ctx.Bool("force")) })
		},
	}
}

// forEachContainer calls do for each named container, and prints the names of those for which it
// succeeded.
func forEachContainer(ctx *cli.Context, do func(id string) error) error {
	var all error
	for _, id := range ctx.Args().Slice() {
		err := do(id)
		if err == nil {
			termtext.Fprintln(ctx.App.Writer, id)
		}
		all = errors.Join(all, err)
	}
	return all
}
