package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
)

func killCommand() *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "send a signal to containers", ArgsUsage: "[-s SIGNAL] NAME…",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "signal", Aliases: []string{"s"}, Value: "KILL",
				Usage: "send `SIGNAL`"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Hidden: true}),
		},
		Action: func(ctx *cli.Context) error {
			if ctx.Bool("all") {
				return cmdline.UsageError(ctx.Command, "--all is for runc's form: kill --all ID [SIGNAL]")
			}
			signal := ctx.String("signal")
			if err := (&engine.StopWay{Signal: signal}).Check(); err != nil {
				return fmt.Errorf("kill: --signal: %w", err)
			}
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return forEachContainer(ctx, func(id string) error { return e.Kill(id, signal) })
		},
	}
}
