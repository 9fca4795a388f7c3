package command

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image/browser"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/image/tree"
	"github.com/minirun/minirun/internal/inspect"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

// Layers returns the command layers.
func Layers() *cli.Command {
	return &cli.Command{
		Name: "layers", Usage: "show an image's layers: the command that created each, and what it added, changed " +
			"and removed", ArgsUsage: "IMAGE",
		Description: "On a terminal, the layers and their files are shown on the whole screen; the key ? explains\n" +
			"the others. With a flag, or if standard output is not a terminal, a table is printed.",
		Flags: []cli.Flag{
			FormatFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print the layers and their files as JSON; same as --format json"},
			&cli.BoolFlag{Name: "tree", Usage: "list each layer's files"},
			&cli.StringFlag{Name: "range", Usage: "show only the layers `FROM-TO`, counted from 1, the lowest"},
			&cli.StringFlag{Name: "why", Usage: "show which layers have `PATH`, and which of them is visible"},
		},
		Action: showLayers,
	}
}

func showLayers(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	asJSON, err := WantsJSON(ctx)
	if err != nil {
		return err
	}
	asJSON = asJSON || ctx.Bool("json")
	s, release, err := OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	i, dirs, err := OpenUnpacked(ctx, s, ctx.Args().First())
	if err != nil {
		return err
	}
	if path := ctx.String("why"); path != "" {
		return showOrigin(ctx, dirs, path, asJSON)
	}
	first, last, err := parseRange(ctx.String("range"), len(dirs))
	if err != nil {
		return err
	}
	list, files, err := listing.Layers(i, dirs)
	if err != nil {
		return err
	}
	isPlain := asJSON || ctx.IsSet("format") || ctx.Bool("tree") || ctx.IsSet("range")
	if !isPlain && stdio.Out.IsTerminal() && stdio.In.IsTerminal() && os.Getenv("TERM") != "dumb" {
		release() // rmi must not wait for the user
		return browser.Show(ctx.Context, browsed(ctx.Args().First(), list, files))
	}
	list = list[first-1 : last]
	if asJSON {
		return termtext.WriteJSON(ctx.App.Writer, list)
	}
	return listing.WriteLayers(ctx.App.Writer, list, ctx.Bool("tree"), terminalWidth(tableWidth))
}

// browsed returns what the browser shows.
func browsed(name string, list []listing.Layer, files *tree.Image) browser.Image {
	out := browser.Image{Name: name, Tree: files}
	for _, l := range list {
		out.Layers = append(out.Layers, browser.Layer{Command: formatter.OneLine(l.Command), Bytes: l.Bytes,
			Wasted: l.Wasted})
	}
	return out
}

// showOrigin shows what each layer has at a path.
func showOrigin(ctx *cli.Context, dirs []string, path string, asJSON bool) error {
	found, err := (&inspect.Stack{Lower: dirs}).Find(path)
	switch {
	case err != nil:
		return err
	case asJSON:
		return termtext.WriteJSON(ctx.App.Writer, found)
	}
	return listing.WriteOrigin(ctx.App.Writer, path, found)
}

// parseRange parses FROM-TO, FROM- or N. Without a range, it returns all layers.
func parseRange(text string, count int) (from, to int, err error) {
	if text == "" {
		return 1, count, nil
	}
	begin, end, two := strings.Cut(text, "-")
	from, err = strconv.Atoi(begin)
	if to = from; err == nil && two {
		if to = count; end != "" {
			to, err = strconv.Atoi(end)
		}
	}
	if err != nil || from < 1 || to > count || from > to {
		return 0, 0, fmt.Errorf("--range %q: must be FROM-TO, between 1 and %d", text, count)
	}
	return from, to, nil
}
