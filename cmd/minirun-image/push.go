package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
	"github.com/minirun/minirun/internal/termtext"
)

func pushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "push an image to a registry", ArgsUsage: "NAME [TO]",
		Flags: []cli.Flag{quietFlag(), jobsFlag(),
			&cli.BoolFlag{Name: "all-tags", Aliases: []string{"a"}, Usage: "push all images with this name and any tag"},
			trustFlag()},
		Action: push,
	}
}

func push(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 2); err != nil {
		return err
	}
	to, err := image.ParseName(ctx.Args().Get(ctx.NArg() - 1))
	if err != nil {
		return err
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	if ctx.Bool("all-tags") {
		return pushAll(ctx, registries, s, to)
	}
	return pushOne(ctx, registries, s, ctx.Args().First(), to)
}

// pushAll pushes the images of the store that are in a repository.
func pushAll(ctx *cli.Context, registries transfer.Registries, s *store.Store, to image.Name) error {
	text := ctx.Args().First()
	if ctx.NArg() > 1 || listing.HasTag(text) || to.Digest != "" {
		return fmt.Errorf("push: --all-tags needs one name without a tag\nhint: minirun push --all-tags %s",
			listing.Repository(to))
	}
	list, err := listing.Images(s, text, func(*store.Image) bool { return true })
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return s.ExplainMissing(fmt.Errorf("%w: %s", image.ErrNotFound, text), text)
	}
	for _, i := range list {
		name, err := image.ParseName(i.Name)
		if err == nil {
			err = pushOne(ctx, registries, s, i.Name, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pushOne pushes one image.
func pushOne(ctx *cli.Context, registries transfer.Registries, s *store.Store, from string, to image.Name) error {
	i, err := s.OpenImage(from)
	if err != nil {
		return err
	}
	p := command.ShowTransfer("Pushing", "push "+to.Familiar(), ctx.Bool("quiet"))
	err = registries.Push(retry.WithNotice(ctx.Context, p.Retrying), s, i, to, ctx.Int("jobs"), p)
	if p.Close(err); err != nil {
		return err
	}
	termtext.Fprintf(ctx.App.Writer, "%s %s\n", to, i.Target.Digest)
	return nil
}
