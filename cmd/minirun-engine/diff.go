package main

import (
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/termtext"
)

func diffCommand() *cli.Command {
	return &cli.Command{
		Name: "diff", Usage: "list the files that a container created from an image has changed", ArgsUsage: "ID",
		Description: "A: added, C: changed, or a directory that holds changes, D: deleted. Volumes are not included.",
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			r, err := e.Record(ctx.Args().First())
			if err != nil {
				return err
			}
			dir := e.Store.Container(r.Container)
			stack, err := inspect.FindStack("", dir)
			if err != nil {
				return err
			}
			stack.Upper = filepath.Join(dir, "upper")
			changes, err := stack.Diff()
			if err != nil {
				return err
			}
			c, _, err := spec.Load(dir)
			if err != nil {
				return err
			}
			for _, c := range inspect.WithoutMountPoints(changes, c.Mounts) {
				termtext.Fprintf(os.Stdout, "%s %s\n", letters[c.What], c.Path)
			}
			return nil
		},
	}
}

// letters are those of docker diff.
var letters = map[string]string{"new": "A", "changed": "C", "deleted": "D"}
