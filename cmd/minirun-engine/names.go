package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
)

// containerArguments returns how many arguments of a command are containers, from the first one on;
// -1 for all.
func containerArguments(command string) int {
	switch command {
	case "stop", "start", "restart", "rm", "wait", "kill", "pause", "unpause", "stats", "inspect":
		return -1
	case "logs", "top", "diff", "attach", "rename", "port", "commit", "export":
		return 1
	}
	return 0
}

// resolveContainers makes an action accept the ID of a container, or the beginning of one, wherever
// the command takes its name.
func resolveContainers(action cli.ActionFunc) cli.ActionFunc {
	return func(ctx *cli.Context) error {
		count, args := containerArguments(ctx.Command.Name), ctx.Args().Slice()
		if count < 0 {
			count = len(args)
		}
		if count == 0 {
			return action(ctx)
		}
		e, err := newEngine(ctx)
		if err != nil {
			return err
		}
		var names []string
		for i, arg := range args {
			if i < count {
				if arg, err = e.Resolve(arg); err != nil {
					return err
				}
			}
			names = append(names, arg)
		}
		return action(cmdline.WithArguments(ctx, names))
	}
}
