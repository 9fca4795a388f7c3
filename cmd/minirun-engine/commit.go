package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/engine/commit"
)

func commitCommand() *cli.Command {
	return &cli.Command{
		Name: "commit", Usage: "create an image from what a container has written", ArgsUsage: "CONTAINER [NAME]",
		Description: "The container may be running or stopped. The image has the container's command, environment\n" +
			"and directory. Volumes are not part of it.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "author", Aliases: []string{"a"}, Usage: "`AUTHOR` of the image"},
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` that history shows"},
			&cli.StringSliceFlag{Name: "change", Aliases: []string{"c"},
				Usage: "apply a Dockerfile's `INSTRUCTION`, such as 'CMD [\"sh\"]'"},
			&cli.BoolFlag{Name: "pause", Aliases: []string{"p"}, Value: true,
				Usage: "pause the container meanwhile; --pause=false does not"},
		},
		Action: func(ctx *cli.Context) error {
			e, err := newEngine(ctx)
			if err != nil {
				return err
			}
			return commit.Run(e, commit.Request{Container: ctx.Args().First(), Name: ctx.Args().Get(1),
				Author: ctx.String("author"), Message: ctx.String("message"), Changes: ctx.StringSlice("change"),
				Pause: ctx.Bool("pause")})
		},
	}
}
