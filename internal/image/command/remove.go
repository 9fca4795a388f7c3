package command

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/language"
	"github.com/minirun/minirun/internal/termtext"
)

// Rmi returns the command rmi.
func Rmi() *cli.Command {
	return &cli.Command{
		Name: "rmi", Usage: "remove images, or one of their names", ArgsUsage: "IMAGE…",
		Description: "Removing the last name of an image also removes its blobs and layers, except those\n" +
			"that other images use. An image that a container uses is kept until the container is\nremoved.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"},
				Usage: "with an ID, remove all names of the image; an image that does not exist is not an error"},
			&cli.BoolFlag{Name: "no-prune", Usage: "keep the blobs and layers until minirun prune"},
		},
		Action: rmi,
	}
}

func rmi(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	s, release, err := OpenExclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	removals, err := s.RemoveImages(ctx.Context, ctx.Args().Slice(), ctx.Bool("force"))
	if err != nil {
		return err
	}
	var failed error
	removed := false
	for _, r := range removals {
		for _, name := range r.Names {
			removed = true
			termtext.Fprintln(ctx.App.Writer, "removed", name)
		}
		switch {
		case r.Err == nil:
		case ctx.Bool("force") && errors.Is(r.Err, image.ErrNotFound):
			Warn(r.Err)
		default:
			failed = errors.Join(failed, r.Err)
		}
	}
	if !removed || ctx.Bool("no-prune") {
		return failed
	}
	out, err := s.Sweep(ctx.Context)
	printSweep(ctx, out)
	return errors.Join(failed, err)
}

func printSweep(ctx *cli.Context, out store.SweepResult) {
	termtext.Fprintln(ctx.App.Writer, language.Text(fmt.Sprintf("removed %d blobs and %d unpacked layers (%s)", out.Blobs,
		out.Layers, units.HumanSize(float64(out.Bytes)))))
}

// Prune returns the command prune.
func Prune() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove images without a name, and unused data",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "remove all images that no container uses"},
			&cli.BoolFlag{Name: "build", Usage: "also remove the build cache"},
			&cli.DurationFlag{Name: "unused",
				Usage: "with --build: remove only entries unused for `DURATION`, such as 72h"},
			&cli.StringSliceFlag{Name: "filter",
				Usage: "remove only matching images: `until=24h|label=NAME[=VALUE]|label!=NAME[=VALUE]`"},
			ForceFlag(),
		},
		Action: prune,
	}
}

func prune(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	if ctx.IsSet("unused") && !ctx.Bool("build") {
		return errors.New("prune: --unused has no effect without --build\nhint: minirun prune --build --unused " +
			ctx.Duration("unused").String())
	}
	selection, err := parseSelection(ctx)
	if err != nil {
		return err
	}
	if ctx.Bool("all") {
		yes, err := confirmPrune(ctx, selection)
		if err != nil || !yes {
			return err
		}
	}
	s, release, err := OpenExclusive(ctx)
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
		termtext.Fprintln(ctx.App.Writer, language.Text(fmt.Sprintf("removed %d build cache records and %s of downloaded "+
			"sources", n, units.HumanSize(float64(freed)))))
	}
	names, out, err := s.Prune(ctx.Context, selection)
	for _, n := range names {
		termtext.Fprintln(ctx.App.Writer, "removed", n)
	}
	if err == nil {
		printSweep(ctx, out)
	}
	return err
}

// parseSelection parses the flags that select images.
func parseSelection(ctx *cli.Context) (o store.Selection, err error) {
	o.All = ctx.Bool("all")
	texts := ctx.StringSlice("filter")
	for _, text := range texts {
		if key, _, _ := strings.Cut(text, "="); key != "until" && key != "label" && key != "label!" {
			return o, fmt.Errorf("prune: --filter %s: unknown key %q\nhint: the keys are label, label! and until", text, key)
		}
	}
	if len(texts) > 0 {
		o.Only, err = listing.ParseFilters(ReadOnly(ctx), texts, time.Now())
	}
	return o, err
}

// confirmPrune asks whether to remove all images that no container uses. The store is not locked
// during the question.
func confirmPrune(ctx *cli.Context, selection store.Selection) (bool, error) {
	if ctx.Bool("force") {
		return true, nil
	}
	names, err := (ReadOnly(ctx)).Unused(selection)
	if err != nil {
		return false, err
	}
	return Confirm(ctx, "minirun prune --all", listing.DescribeUnused(names))
}
