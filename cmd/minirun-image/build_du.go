package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/diskusage"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

func duCommand() *cli.Command {
	return &cli.Command{
		Name: "du", Usage: "show the disk usage of the build cache",
		Description: "A filter is KEY=VALUE, KEY!=VALUE or KEY~=REGEXP. The keys are until, id, parents,\n" +
			"description, inuse, mutable, immutable, shared, private and type. An entry whose ID is marked\n" +
			"with * is mutable, and one whose size is marked with * is shared with an image.",
		Flags: []cli.Flag{
			filterFlag(),
			&cli.StringFlag{Name: "format", Value: "table", Usage: "`table|pretty|json|TEMPLATE`, or table TEMPLATE"},
			&cli.BoolFlag{Name: "verbose", Usage: "the same as --format pretty"},
			builderFlag(),
		},
		Action: du,
	}
}

func filterFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "filter",
		Usage: "select entries with `KEY=VALUE`, such as until=24h or type=regular"}
}

// builderFlag is accepted because scripts written for buildx use it.
func builderFlag() cli.Flag {
	return &cli.StringFlag{Name: "builder", Usage: "accepted for compatibility; the only builder is `default`"}
}

func checkBuilder(ctx *cli.Context) error {
	if name := ctx.String("builder"); name != "" && name != "default" {
		return fmt.Errorf("--builder %s: the only builder is default", name)
	}
	return nil
}

func du(ctx *cli.Context) error {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 0), checkBuilder(ctx)); err != nil {
		return err
	}
	filter, err := diskusage.ParseFilter(ctx.StringSlice("filter"), time.Now())
	if err != nil {
		return err
	}
	s := &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
	all, err := s.BuildCache(ctx.Context)
	if err != nil {
		return fmt.Errorf("build du: %w", err)
	}
	entries := slices.DeleteFunc(all, func(e *store.CacheEntry) bool { return !filter(e) })
	format := ctx.String("format")
	if ctx.Bool("verbose") {
		format = "pretty"
	}
	return diskusage.Write(ctx.App.Writer, format, entries)
}
