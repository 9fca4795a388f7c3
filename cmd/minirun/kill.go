package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container/control"
)

func killCommand() *cli.Command {
	return &cli.Command{
		Name:      "kill",
		Usage:     "send a signal to containers",
		ArgsUsage: "ID [SIGNAL]  |  [-s SIGNAL] NAME…",
		Description: "As in runc: a container of a bundle gets SIGTERM, or the SIGNAL that follows its ID. As in\n" +
			"docker: containers created from images get SIGKILL, or the one of -s.",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all", Aliases: []string{"a"},
				Usage: "bundle: send it to all processes of the container"}),
			cmdline.TextFlag(cli.StringFlag{Name: "signal", Aliases: []string{"s"},
				Usage: "send `SIGNAL` to all the named containers"}),
		},
		Action: func(ctx *cli.Context) error {
			if !isKillOfRunc(ctx) {
				return becomeEngine(ctx)
			}
			args := ctx.Args()
			name := "SIGTERM"
			if args.Len() == 2 {
				name = args.Get(1)
			}
			signal, err := control.ParseSignal(name)
			if err != nil {
				return err
			}
			return control.Kill(ctx.String("root"), args.First(), signal, ctx.Bool("all"))
		},
	}
}

// isKillOfRunc reports whether the command line has runc's form, ID [SIGNAL]. The second argument is
// a container only if it is not a signal.
func isKillOfRunc(ctx *cli.Context) bool {
	switch {
	case ctx.IsSet("signal") || ctx.NArg() > 2:
		return false
	case ctx.Bool("all"):
		return true
	case ctx.NArg() == 1:
		return !isOfImage(ctx, ctx.Args().First())
	}
	_, err := control.ParseSignal(ctx.Args().Get(1))
	return err == nil || !isOfImage(ctx, ctx.Args().First())
}
