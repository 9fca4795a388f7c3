package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/attachment"
	"github.com/minirun/minirun/internal/engine/missing"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/messages"
)

func attachCommand() *cli.Command {
	return &cli.Command{
		Name: "attach", Usage: "connect this terminal with a container that runs in the background", ArgsUsage: "NAME",
		Description: "It shows the output from now on, and passes the input on if the container was started with -i.\n" +
			"The exit status is that of the container.",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "detach-keys", Value: attachment.DefaultKeys,
				Usage: "leave the container running after these `KEYS`"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "no-stdin", Usage: "do not pass standard input on"}),
			cmdline.ToggleFlag(cli.BoolFlag{Name: "sig-proxy", Value: true,
				Usage: "pass signals on; false: they end attach, and the container continues"}),
		},
		Action: func(ctx *cli.Context) error {
			keys, err := attachment.ParseKeys(ctx.String("detach-keys"))
			if err != nil {
				return err
			}
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			id := ctx.Args().First()
			if _, err := e.Record(id); err != nil {
				return missing.Explain(err, e)
			}
			status, err := (&attachment.Client{
				Dir: e.Store.Container(id), Name: id, Keys: keys, Input: !ctx.Bool("no-stdin"), Proxy: ctx.Bool("sig-proxy"),
				Signal: func(s unix.Signal) error { return e.Kill(id, unix.SignalName(s)) },
				Wait:   func() (int, error) { return e.Wait(id) }, Warn: messages.Warn,
			}).Attach()
			switch {
			case errors.Is(err, attachment.ErrDetached):
				fmt.Fprintln(ctx.App.ErrWriter, language.Text("detached from "+id))
				return nil
			case err != nil:
				return err
			case status != 0:
				return messages.ExitStatus(status)
			}
			return nil
		},
	}
}
