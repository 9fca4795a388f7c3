package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/engine/description"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/termtext"
)

// inspectCommand is the part of `inspect` for scripts: docker's fields. minirun itself shows a
// container from both sides.
func inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Hidden: true, Usage: "describe containers created from images", ArgsUsage: "NAME…",
		Flags: []cli.Flag{
			cmdline.TextFlag(cli.StringFlag{Name: "format", Aliases: []string{"f"}, Usage: "Go `TEMPLATE`"}),
			cmdline.TextFlag(cli.StringFlag{Name: "type", Usage: "container"}),
		},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			all := []*description.Container{}
			for _, name := range ctx.Args().Slice() {
				c, err := description.Describe(e, name)
				if err != nil {
					return err
				}
				all = append(all, c)
			}
			format := ctx.String("format")
			if format == "" || format == "json" {
				return termtext.WriteJSON(ctx.App.Writer, all)
			}
			for _, c := range all {
				if err := formatter.Execute(ctx.App.Writer, format, c); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
