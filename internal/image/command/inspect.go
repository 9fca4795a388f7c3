package command

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

// Inspect returns the command inspect for images. minirun has one for containers, which executes this
// one if the name is that of an image.
func Inspect() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "show an image with docker's field names", ArgsUsage: "IMAGE…",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "json",
				Usage: "`json|TEMPLATE`, such as '{{.Config.Cmd}}'"},
			&cli.StringFlag{Name: "platform",
				Usage: "show the image for `OS/ARCHITECTURE[/VARIANT]` instead of this machine's"},
			&cli.StringFlag{Name: "type", Value: "image", Usage: "`image`; containers are shown by minirun itself"},
		},
		Action: inspectImages,
	}
}

func inspectImages(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	if kind := ctx.String("type"); kind != "image" {
		return fmt.Errorf("inspect: --type %q: must be image or container", kind)
	}
	s := ReadOnly(ctx)
	list := []*listing.Inspected{}
	var failed error
	for _, text := range ctx.Args().Slice() {
		i, err := inspectOne(s, text, ctx.String("platform"))
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		list = append(list, i)
	}
	if err := writeInspected(ctx, list); err != nil {
		return err
	}
	return failed
}

func inspectOne(s *store.Store, text, platform string) (*listing.Inspected, error) {
	d, name, err := s.FindImage(text)
	if errors.Is(err, image.ErrNotFound) {
		if _, bad := s.ReadOrigin(text); bad == nil {
			return nil, fmt.Errorf("inspect: %s is a container, not an image\nhint: minirun inspect %[1]s", text)
		}
	}
	if err != nil {
		return nil, s.ExplainMissing(err, text)
	}
	i, err := s.LoadPlatform(d, name, platform)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", text, err)
	}
	return listing.Inspect(s, i)
}

func writeInspected(ctx *cli.Context, list []*listing.Inspected) error {
	switch format := ctx.String("format"); format {
	case "json", "":
		return termtext.WriteJSON(ctx.App.Writer, list)
	default:
		for _, i := range list {
			if err := formatter.Execute(ctx.App.Writer, format, i); err != nil {
				return err
			}
		}
		return nil
	}
}
