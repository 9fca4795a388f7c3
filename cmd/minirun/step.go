package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/messages"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/trace"
	"github.com/minirun/minirun/internal/views"
)

func stepCommand() *cli.Command {
	return &cli.Command{
		Name:      "step",
		Usage:     "run a container step by step",
		ArgsUsage: "[ID] BUNDLE  |  -b BUNDLE ID  |  IMAGE [ARGUMENT…]",
		Description: "It stops before steps of the container's plan, shows what has changed, and how to\n" +
			"look in from another terminal. It reads commands: keys on a terminal, otherwise\n" +
			"lines on standard input; type ? for help. The input after the last command\n" +
			"goes to the container. For an image, the flags of run may be given too.",
		UseShortOptionHandling: true,
		Flags: append(createFlags(),
			cmdline.TextFlag(cli.StringFlag{Name: "at",
				Usage: "stop first before `STEP`: a number, a chapter (mounts), a call, a group, a JSON path, " +
					"or part of a name"}),
			cmdline.TextFlag(cli.StringFlag{Name: "until", Usage: "stop first after `STEP`"}),
		),
		Action: step,
	}
}

func step(ctx *cli.Context) error {
	at, until := ctx.String("at"), ctx.String("until")
	if at != "" && until != "" {
		return errors.New("--at cannot be combined with --until: both say where to stop first")
	}
	t, err := findView(ctx, ctx.Args().Slice())
	if err != nil {
		return err
	}
	if t.Container {
		return fmt.Errorf("step: container %s already exists, and its start cannot be repeated\n"+
			"hint: minirun plan %[1]s shows its steps; step runs a new container from a bundle or an image", t.ID)
	}
	debugger := trace.NewDebugger(messages.NewPatientWriter(stdio.Err), os.Stdin,
		trace.Place{Text: at + until, After: until != ""})
	step := stepBundle
	if t.Image != "" {
		step = stepImage
	}
	err = step(ctx, t, debugger)
	if errors.Is(err, trace.ErrAborted) {
		fmt.Fprintln(stdio.Err, language.Text("aborted: nothing of the container is left"))
		return nil
	}
	return err
}

func stepBundle(ctx *cli.Context, t views.Target, watch *trace.Debugger) error {
	o := optionsForBundle(ctx, cmp.Or(t.ID, generateID()), t.Bundle)
	if err := runflags.CheckBundle(ctx, o.Bundle); err != nil {
		return err
	}
	o.Watch = watch
	exit, err := container.Run(o, container.RunOptions{})
	if err != nil {
		return err
	}
	return exitStatus(&exit)
}

// stepImage runs a container from an image, and removes it. Its input is what the
// debugger leaves of this process's.
func stepImage(ctx *cli.Context, t views.Target, watch *trace.Debugger) error {
	s, err := imageSettings(ctx, t.Image)
	if err != nil {
		return err
	}
	s.Remove = true
	e := newEngine(ctx)
	r, err := e.Create(t.Image, s)
	if err != nil {
		return err
	}
	o := optionsForImage(ctx)
	o.Watch = watch
	end, err := e.Run(r, o, func() {})
	if err != nil {
		return err
	}
	return endStatus(end)
}
