package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/runtarget"
	"github.com/minirun/minirun/internal/views"
)

// findView returns the bundle, container or image that arguments of a view name.
func findView(ctx *cli.Context, arguments []string) (views.Target, error) {
	paths.Store = func() *image.Store { return imageStore(ctx) }
	q := runtarget.Question{Command: ctx.Command.Name, Bundle: ctx.String("bundle"), Arguments: arguments}
	bundleOf := func(id string) (string, bool) { return views.BundleOf(newEngine(ctx), id) }
	t, err := views.Find(q, &paths, bundleOf)
	var usage runtarget.UsageError
	if errors.As(err, &usage) {
		err = cmdline.UsageError(ctx.Command, usage.Error())
	}
	return t, err
}
