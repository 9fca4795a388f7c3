package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/container"
	"github.com/minirun/minirun/internal/engine"
	"github.com/minirun/minirun/internal/engine/runflags"
	"github.com/minirun/minirun/internal/messages"
)

func createCommand() *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "create a container, up to the point where only start is missing",
		ArgsUsage: "ID BUNDLE  |  -b BUNDLE ID  |  IMAGE [ARGUMENT…]",
		Description: "Flags and arguments are those of run. A container created from an image, as by docker create,\n" +
			"does not exist for the kernel until minirun start.",
		UseShortOptionHandling: true,
		Flags:                  createFlags(),
		Action:                 create,
	}
}

func create(ctx *cli.Context) error {
	t, err := findTarget(ctx)
	switch {
	case err != nil && t.Image != "":
		return messages.NewFailure(err, engine.CannotRun)
	case err != nil:
		return err
	case t.Image != "":
		return createFromImage(ctx, t)
	}
	if err := runflags.CheckBundle(ctx, t.Bundle); err != nil {
		return err
	}
	if t.ID == "" {
		return cmdline.UsageError(ctx.Command, "missing argument: ID")
	}
	c, err := container.Create(optionsForBundle(ctx, t.ID, t.Bundle))
	if err != nil {
		return err
	}
	c.Close()
	return nil
}
