package main

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/runtarget"
)

// paths remembers what the arguments of this command line are: splitFlags and the command need it.
var paths runtarget.Host

// findTarget returns the bundle or the image that the arguments of run or create name.
func findTarget(ctx *cli.Context) (runtarget.Target, error) {
	paths.Store = func() *image.Store { return imageStore(ctx) }
	t, err := runtarget.Decide(runtarget.Question{Command: ctx.Command.Name, Bundle: ctx.String("bundle"),
		Arguments: ctx.Args().Slice(), AlwaysPull: ctx.String("pull") == "always"}, &paths)
	var usage runtarget.UsageError
	if errors.As(err, &usage) {
		return t, cmdline.UsageError(ctx.Command, usage.Error())
	}
	return t, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
