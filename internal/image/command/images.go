package command

import (
	"cmp"
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// Images returns the command images.
func Images() *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list images", ArgsUsage: "[NAME[:TAG]]",
		Description: "SIZE is that of the files in the image's layers, including layers that other images share.\n" +
			"NAME may be a pattern such as 'lib*'. The fields of a TEMPLATE are .Name, .Repository, .Tag, .ID,\n" +
			".Digest, .CreatedSince, .CreatedAt, .Layers, .Size, .Packed and .Platform.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"},
				Usage: "accepted for compatibility; no images are hidden"},
			&cli.BoolFlag{Name: "digests", Usage: "show digests"},
			&cli.StringSliceFlag{Name: "filter", Aliases: []string{"f"},
				Usage: "show only matching images: `dangling=true|reference=PATTERN|label=NAME[=VALUE]|before=IMAGE|" +
					"since=IMAGE|until=24h`"},
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`table|json|TEMPLATE`, or table TEMPLATE"},
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
	if ctx.Bool("quiet") && ctx.IsSet("format") {
		return errors.New("images: --quiet prints only IDs, so --format has no effect\nhint: leave out one of them")
	}
	s := ReadOnly(ctx)
	filter, err := listing.ParseFilters(s, ctx.StringSlice("filter"), time.Now())
	if err != nil {
		return err
	}
	list, err := listing.Images(s, ctx.Args().First(), filter)
	switch format := ctx.String("format"); {
	case err != nil:
		return err
	case format == "json":
		return termtext.WriteJSON(ctx.App.Writer, list)
	case ctx.Bool("quiet"):
		listing.WriteIDs(ctx.App.Writer, list, ctx.Bool("no-trunc"))
		return nil
	default:
		return listing.WriteImages(ctx.App.Writer, list, listing.ImageStyle{Format: format, FullIDs: ctx.Bool("no-trunc"),
			Digests: ctx.Bool("digests"), Width: terminalWidth(0)})
	}
}

// terminalWidth returns the width of the terminal on standard output, or another width if it is not a
// terminal.
func terminalWidth(otherwise int) int {
	columns, _ := stdio.Out.Size()
	return cmp.Or(columns, otherwise)
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
		return s.ExplainMissing(err, ctx.Args().First())
	}
	return s.SetName(ctx.Context, name, d)
}

// tableWidth is the width of a table that is not printed on a terminal.
const tableWidth = 80

// History returns the command history.
func History() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show the instructions that created an image, newest first", ArgsUsage: "IMAGE",
		Description: "SIZE is that of the files in the layer. The fields of a TEMPLATE are .Layer, .CreatedSince,\n" +
			".CreatedAt, .CreatedBy, .Size, .Packed, .Comment and .ID.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table",
				Usage: "`table|json|TEMPLATE`, or table TEMPLATE"},
			&cli.BoolFlag{Name: "human", Aliases: []string{"H"}, Value: true,
				Usage: "show sizes and times in a readable form; --human=false shows bytes and dates"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only the digests of layers"},
			&cli.BoolFlag{Name: "no-trunc", Usage: "show instructions and digests in full"},
		},
		Action: showHistory,
	}
}

func showHistory(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	s := ReadOnly(ctx)
	i, err := s.OpenImage(ctx.Args().First())
	if err != nil {
		return err
	}
	sizes, _ := s.LayerSizes(i)
	list := listing.History(i, sizes)
	style := listing.HistoryStyle{Format: ctx.String("format"), Full: ctx.Bool("no-trunc"),
		Exact: !ctx.Bool("human"), Width: terminalWidth(tableWidth)}
	switch {
	case style.Format == "json":
		return termtext.WriteJSON(ctx.App.Writer, list)
	case ctx.Bool("quiet"):
		style.Format = "{{.Layer}}"
	}
	return listing.WriteHistory(ctx.App.Writer, list, style)
}
