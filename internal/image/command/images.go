package command

import (
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/listing"
)

// Images returns the command images.
func Images() *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list images", ArgsUsage: "[NAME]",
		Flags: []cli.Flag{
			FormatFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only IDs"},
			&cli.BoolFlag{Name: "no-trunc", Usage: "show IDs in full"},
		},
		Action: listImages,
	}
}

func listImages(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 1); err != nil {
		return err
	}
	asJSON, err := WantsJSON(ctx)
	if err != nil {
		return err
	}
	s := ReadOnly(ctx)
	list, err := listing.Images(s, ctx.Args().First())
	switch {
	case err != nil:
		return err
	case asJSON:
		return formatter.WriteJSON(ctx.App.Writer, list)
	case ctx.Bool("quiet"):
		listing.WriteIDs(ctx.App.Writer, list, ctx.Bool("no-trunc"))
		return nil
	}
	return listing.WriteImages(ctx.App.Writer, list, ctx.Bool("no-trunc"))
}

// Tag returns the command tag.
func Tag() *cli.Command {
	return &cli.Command{Name: "tag", Usage: "give an image another name", ArgsUsage: "IMAGE NAME", Action: tag}
}

func tag(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 2, 2); err != nil {
		return err
	}
	name, err := image.ParseName(ctx.Args().Get(1))
	if err != nil {
		return err
	}
	if name.Digest != "" {
		return errors.New("tag: the target must be NAME[:TAG], not a digest")
	}
	s, release, err := OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	d, _, err := s.FindImage(ctx.Args().First())
	if err != nil {
		return err
	}
	return s.SetName(ctx.Context, name, d)
}

// History returns the command history.
func History() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show the instructions that created an image, newest first", ArgsUsage: "IMAGE",
		Flags:  []cli.Flag{FormatFlag(), &cli.BoolFlag{Name: "no-trunc", Usage: "show instructions in full"}},
		Action: showHistory,
	}
}

func showHistory(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	asJSON, err := WantsJSON(ctx)
	if err != nil {
		return err
	}
	s := ReadOnly(ctx)
	i, err := s.OpenImage(ctx.Args().First())
	if err != nil {
		return err
	}
	list := listing.History(i)
	if asJSON {
		return formatter.WriteJSON(ctx.App.Writer, list)
	}
	return listing.WriteHistory(ctx.App.Writer, list, ctx.Bool("no-trunc"))
}
