package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/formatter"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}
}

func wantsJSON(ctx *cli.Context) (bool, error) {
	switch f := ctx.String("format"); f {
	case "json":
		return true, nil
	case "table":
		return false, nil
	default:
		return false, fmt.Errorf("--format %q: must be table or json", f)
	}
}

func imagesCommand() *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list images", ArgsUsage: "[NAME]",
		Flags: []cli.Flag{
			formatFlag(),
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
	asJSON, err := wantsJSON(ctx)
	if err != nil {
		return err
	}
	s := &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
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

func tagCommand() *cli.Command {
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
	s, release, err := openShared(ctx)
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

func rmiCommand() *cli.Command {
	return &cli.Command{
		Name: "rmi", Usage: "remove images, or one of their names", ArgsUsage: "IMAGE…",
		Description: "Removing the last name of an image also removes its blobs and layers, except those\n" +
			"that other images use. An image that a container uses is kept until the container is\nremoved.",
		Action: rmi,
	}
}

func rmi(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	s, release, err := openExclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, text := range ctx.Args().Slice() {
		gone, err := s.RemoveName(ctx.Context, text)
		if err != nil {
			return err
		}
		for _, g := range gone {
			if g == "" {
				g = text
			}
			termtext.Fprintln(ctx.App.Writer, "removed", g)
		}
	}
	out, err := s.Sweep(ctx.Context)
	printSweep(ctx, out)
	return err
}

func printSweep(ctx *cli.Context, out store.SweepResult) {
	termtext.Fprintf(ctx.App.Writer, "removed %d blobs and %d unpacked layers (%s)\n", out.Blobs, out.Layers,
		units.HumanSize(float64(out.Bytes)))
}

func pruneCommand() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove images without a name, and unused data",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "remove all images that no container uses"},
			&cli.BoolFlag{Name: "build", Usage: "also remove the build cache"},
			&cli.DurationFlag{Name: "unused",
				Usage: "with --build: remove only entries unused for `DURATION`, such as 72h"},
		},
		Action: prune,
	}
}

func prune(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	s, release, err := openExclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	if ctx.Bool("build") {
		n, err := s.ForgetBuilds(ctx.Context, ctx.Duration("unused"))
		if err != nil {
			return err
		}
		freed, err := source.Prune(filepath.Join(s.Dir, "build"), time.Now().Add(-ctx.Duration("unused")))
		if err != nil {
			return err
		}
		termtext.Fprintf(ctx.App.Writer, "removed %d build cache records and %s of downloaded sources\n", n,
			units.HumanSize(float64(freed)))
	}
	names, out, err := s.Prune(ctx.Context, ctx.Bool("all"))
	for _, n := range names {
		termtext.Fprintln(ctx.App.Writer, "removed", n)
	}
	if err == nil {
		printSweep(ctx, out)
	}
	return err
}

func historyCommand() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show the instructions that created an image, newest first", ArgsUsage: "IMAGE",
		Flags:  []cli.Flag{formatFlag(), &cli.BoolFlag{Name: "no-trunc", Usage: "show instructions in full"}},
		Action: showHistory,
	}
}

func showHistory(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	asJSON, err := wantsJSON(ctx)
	if err != nil {
		return err
	}
	s := &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
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
