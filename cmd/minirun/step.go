package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/trace"
)

func stepCommand() *cli.Command {
	return &cli.Command{
		Name:      "step",
		Usage:     "run a container step by step",
		ArgsUsage: "[ID] BUNDLE  |  -b BUNDLE ID",
		Description: "It stops before steps of the container's plan, shows what has changed, and how to\n" +
			"look in from another terminal. It reads commands: keys on a terminal, otherwise\n" +
			"lines on standard input; type ? for help. The input after the last command\n" +
			"goes to the container.",
		Flags: append(createFlags(),
			cmdline.TextFlag(cli.StringFlag{Name: "at",
				Usage: "stop first before `STEP`: a number, a call, a group, a JSON path, or part of a name"}),
			cmdline.TextFlag(cli.StringFlag{Name: "until", Usage: "stop first after `STEP`"}),
		),
		Action: step,
	}
}

func step(ctx *cli.Context) error {
	o, err := bundleOptions(ctx)
	if err != nil {
		return err
	}
	at, until := ctx.String("at"), ctx.String("until")
	if at != "" && until != "" {
		return errors.New("--at and --until: choose one")
	}
	if o.ID == "" {
		o.ID = generateID()
	}
	o.Watch = trace.NewDebugger(messages.NewPatientWriter(stdio.Err), os.Stdin,
		trace.Place{Text: at + until, After: until != ""})
	exit, err := container.Run(o, container.RunOptions{})
	if errors.Is(err, trace.ErrAborted) {
		fmt.Fprintln(stdio.Err, "aborted: nothing of the container is left")
		return nil
	}
	if err != nil {
		return err
	}
	return exitStatus(&exit)
}
