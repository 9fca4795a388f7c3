package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/engine/missing"
)

func pauseCommand() *cli.Command {
	return &cli.Command{
		Name:      "pause",
		Usage:     "stop all processes of containers until resume",
		ArgsUsage: "ID…",
		Action:    func(ctx *cli.Context) error { return forEachID(ctx, control.Pause) },
	}
}

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name:      "resume",
		Usage:     "resume the processes of paused containers",
		ArgsUsage: "ID…",
		Action:    func(ctx *cli.Context) error { return forEachID(ctx, control.Resume) },
	}
}

// unpauseCommand is docker's name for resume.
func unpauseCommand() *cli.Command {
	c := resumeCommand()
	c.Name, c.Usage = "unpause", "resume the processes of paused containers, as resume does"
	return c
}

// forEachID calls do for all named containers, also after an error.
func forEachID(ctx *cli.Context, do func(root, id string) error) (failed error) {
	for _, id := range ctx.Args().Slice() {
		pause := func(name string) error { return do(ctx.String("root"), name) }
		if err := pause(id); err != nil {
			e := newEngine(ctx)
			if err = missing.ByID(e, id, err, pause); err != nil {
				failed = errors.Join(failed, missing.Explain(err, e))
			}
		}
	}
	return failed
}
