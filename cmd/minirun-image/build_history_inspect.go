package main

import (
	"errors"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/build/history"
	"github.com/minirun/minirun/internal/build/records"
	"github.com/minirun/minirun/internal/stdio"
	"github.com/minirun/minirun/internal/termtext"
)

func historyInspect(ctx *cli.Context) error {
	if ctx.Args().First() == "attachment" {
		return errors.New("build history inspect attachment is not supported (attestations are in the image: " +
			"--provenance, --sbom)")
	}
	r, err := findBuild(ctx)
	if err != nil {
		return err
	}
	i, err := history.Inspect(r, time.Now())
	if err != nil {
		return err
	}
	w := ctx.App.Writer
	switch format := ctx.String("format"); format {
	case "json":
		return termtext.WriteJSON(w, i)
	case "pretty":
		return i.Print(w)
	default:
		return i.WriteTemplate(w, format)
	}
}

func historyExport(ctx *cli.Context) error {
	if err := checkBuilder(ctx); err != nil {
		return err
	}
	book := openBook(ctx)
	list, err := findBuilds(ctx, book)
	switch {
	case err != nil:
		return err
	case ctx.Bool("all") && len(list) > 0:
		return errors.New("build history export: --all cannot be combined with BUILD")
	case ctx.Bool("all"):
		list, err = book.List()
	case len(list) == 0:
		var last *records.Record
		last, err = book.Find("")
		list = append(list, last)
	}
	if err != nil {
		return err
	}
	name := ctx.String("output")
	if name == "-" {
		if stdio.Out.IsTerminal() {
			return errors.New("build history export: refusing to write an archive to a terminal\nhint: redirect " +
				"standard output, or use --output FILE")
		}
		return history.Export(ctx.App.Writer, list)
	}
	f, err := atomicfile.Create(name, 0o600) // it contains the values of build arguments
	if err != nil {
		return err
	}
	return f.Done(history.Export(f, list))
}
