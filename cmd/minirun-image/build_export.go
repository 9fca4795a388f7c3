package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/containerd/console"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// version is set by the Makefile.
var version string

func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Usage: "`type=image|registry|oci|docker|tar|local|cacheonly,dest=…`: where the result goes"},
		&cli.BoolFlag{Name: "push", Usage: "send the image to its registry"},
		&cli.BoolFlag{Name: "load", Usage: "keep the image in the store, whatever --output says"},
		&cli.StringSliceFlag{Name: "annotation", Usage: "`[TYPE:]NAME=VALUE` of the image's manifest, or index:, manifest-descriptor:, index-descriptor:"},
		&cli.StringSliceFlag{Name: "attest", Usage: "attach `type=provenance|sbom,…` to the image"},
		&cli.StringFlag{Name: "provenance", Usage: "attach how it was made: `true|false|mode=min|mode=max`"},
		&cli.StringFlag{Name: "sbom", Usage: "attach a list of its packages: `true|false`"},
		&cli.StringFlag{Name: "iidfile", Usage: "write the image's ID to `FILE`"},
		&cli.StringFlag{Name: "metadata-file", Usage: "write the result's names and digests to `FILE`, as JSON"},
	}
}

// delivery parses the flags, so that invalid ones are rejected before anything is built.
func delivery(ctx *cli.Context, o *build.Options, s *store.Store) (*build.Delivery, error) {
	d := &build.Delivery{Version: version, Progress: silent{}}
	for _, text := range ctx.StringSlice("output") {
		out, err := export.ParseOutput(text)
		if err != nil {
			return nil, err
		}
		d.Outputs = append(d.Outputs, out)
	}
	isStored := func(o export.Output) bool { return o.IsStored() }
	wanted := len(d.Outputs) == 0 || ctx.Bool("push") || ctx.Bool("load")
	if wanted && !slices.ContainsFunc(d.Outputs, isStored) {
		d.Outputs = append(d.Outputs, export.Output{Type: "image", Tar: true})
	}
	if ctx.Bool("push") {
		d.Outputs[slices.IndexFunc(d.Outputs, isStored)].Push = true
	}
	for _, text := range ctx.StringSlice("annotation") {
		list, err := export.ParseAnnotation(text)
		if err != nil {
			return nil, err
		}
		d.Annotations = append(d.Annotations, list...)
	}
	var err error
	if d.Names, err = export.ParseNames(ctx.StringSlice("tag")); err != nil {
		return nil, err
	}
	if d.Attest, err = attest.Parse(ctx.StringSlice("attest"), ctx.String("provenance"), ctx.String("sbom")); err != nil {
		return nil, err
	}
	if ctx.String("iidfile") != "" && !slices.ContainsFunc(d.Outputs, func(o export.Output) bool { return o.IsImage() }) {
		return nil, errors.New("--iidfile: no output is an image, so there is no ID: leave it out, or give --output type=image, too")
	}
	d.Push = func(c context.Context, i *store.Image, to image.Name) error { return pushBuilt(c, s, i, to) }
	if err := d.Check(o); err != nil {
		return nil, err
	}
	return d, checkStandardOutput(ctx, d.Outputs)
}

// checkStandardOutput refuses to write an archive to a terminal, or to mix it with other output.
func checkStandardOutput(ctx *cli.Context, outputs []export.Output) error {
	if !slices.ContainsFunc(outputs, func(o export.Output) bool { return o.Dest == "-" }) {
		return nil
	}
	if _, err := console.ConsoleFromFile(os.Stdout); err == nil {
		return errors.New("--output: an archive on a terminal is of no use: redirect it, or give dest=FILE")
	}
	for flag, speaks := range map[string]bool{"quiet": isQuiet(ctx), "explain": ctx.String("explain") == "text" || ctx.String("explain") == "json"} {
		if speaks {
			return fmt.Errorf("--output dest=-: standard output is the archive's, and --%s writes there, too: give dest=FILE", flag)
		}
	}
	return nil
}

func pushBuilt(ctx context.Context, s *store.Store, i *store.Image, to image.Name) error {
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	return registries.Push(ctx, s, i, to, 3, silent{})
}
