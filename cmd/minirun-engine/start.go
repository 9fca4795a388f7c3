package main

import (
	"errors"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/logfile"
	"github.com/minirun/minirun/internal/messages"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "start stopped containers created from images again", ArgsUsage: "NAME…",
		Description: "They run in the background, with the settings of their first run and all that they have\n" +
			"written. A container that is running is left as it is.",
		Flags: []cli.Flag{
			cmdline.ToggleFlag(cli.BoolFlag{Name: "all-restart",
				Usage: "start those that their --restart policy brings back when the machine starts"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "attach", Aliases: []string{"a"},
				Usage: "show its output until it ends, pass signals on, and exit with its status"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "interactive", Aliases: []string{"i"}, Hidden: true}),
		},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			names := ctx.Args().Slice()
			switch {
			case ctx.Bool("interactive"):
				return cmdline.UsageError(ctx.Command,
					"--interactive is not supported: use minirun start and then minirun attach")
			case ctx.Bool("attach") && len(names) != 1:
				return cmdline.UsageError(ctx.Command, "--attach is for one container")
			case ctx.Bool("attach"):
				return startAttached(ctx, e, names[0])
			}
			switch all := ctx.Bool("all-restart"); {
			case all && len(names) > 0:
				return cmdline.UsageError(ctx.Command, "--all-restart takes no names")
			case all:
				if names, err = e.Due(); err != nil {
					return err
				}
				if err := e.RemoveLost(); err != nil {
					return err
				}
			case len(names) == 0:
				return cmdline.UsageError(ctx.Command, "missing argument: NAME")
			}
			return forEach(ctx, names, func(id string) (string, error) { return id, e.Start(id) })
		},
	}
}

// startAttached starts a container, shows its output until it ends, and exits with its status.
func startAttached(ctx *cli.Context, e *engine.Engine, id string) error {
	waiter, err := e.OpenWaiter(id)
	if err != nil {
		return err
	}
	defer waiter.Close()
	arrived := make(chan os.Signal, 16)
	signal.Notify(arrived, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	o := logfile.Options{Follow: true, Tail: -1, Since: time.Now()}
	if err := e.Start(id); err != nil {
		return err
	}
	go func() {
		for s := range arrived {
			if err := e.Kill(id, unix.SignalName(s.(unix.Signal))); err != nil {
				messages.Warn(err)
			}
		}
	}()
	if err := e.Logs(id, o, ctx.App.Writer, os.Stderr); err != nil && !errors.Is(err, engine.ErrNoContainer) {
		return err
	}
	status, err := waiter.Wait()
	if err == nil && status != 0 {
		err = messages.ExitStatus(status)
	}
	return err
}
