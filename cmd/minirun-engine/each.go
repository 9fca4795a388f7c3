package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/termtext"
)

// forEachContainer calls do for each named container, and prints the names of those for which it
// succeeded.
func forEachContainer(ctx *cli.Context, do func(id string) error) error {
	var all error
	for _, id := range ctx.Args().Slice() {
		err := do(id)
		if err == nil {
			termtext.Fprintln(ctx.App.Writer, id)
		}
		all = errors.Join(all, err)
	}
	return all
}
