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
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// version is set by the Makefile.
var version string

// parseDelivery parses the flags, so that invalid ones are rejected before anything is built.
func parseDelivery(ctx *cli.Context, o *build.Options, s *store.Store) (*build.Delivery, error) {
	d := &build.Delivery{Version: version, Progress: command.NoDisplay{}}
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
	if d.Attest, err = attest.Parse(ctx.StringSlice("attest"), ctx.String("provenance"),
		ctx.String("sbom")); err != nil {
		return nil, err
	}
	if ctx.String("iidfile") != "" && !slices.ContainsFunc(d.Outputs,
		func(o export.Output) bool { return o.IsImage() }) {
		return nil, errors.New("--iidfile: no output is an image, so there is no image ID\nhint: add --output " +
			"type=image")
	}
	d.Push = func(c context.Context, i *store.Image, to image.Name) error { return pushImage(c, s, i, to) }
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
		return errors.New("--output: refusing to write an archive to a terminal\nhint: redirect standard output, or " +
			"use dest=FILE")
	}
	for flag, speaks := range map[string]bool{"quiet": isQuiet(ctx), "explain": ctx.String("explain") == "text" ||
		ctx.String("explain") == "json"} {
		if speaks {
			return fmt.Errorf("--output dest=- cannot be combined with --%s, which also writes to standard "+
				"output\nhint: use dest=FILE", flag)
		}
	}
	return nil
}

func pushImage(ctx context.Context, s *store.Store, i *store.Image, to image.Name) error {
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	return registries.Push(ctx, s, i, to, 3, command.NoDisplay{})
}
