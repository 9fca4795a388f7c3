package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/diskusage"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/store"
)

func buildPruneCommand() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove build cache",
		Description: "Without a limit, all entries that match the filters are removed. With a limit, those that\n" +
			"were not used for the longest time are removed first. Layers that images use are kept. See\nalso: " +
			"minirun prune.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"},
				Usage: "also remove file digests and the records of the last builds"},
			filterFlag(),
			command.ForceFlag(),
			&cli.StringFlag{Name: "max-used-space", Usage: "remove until the cache takes at most `SIZE`"},
			&cli.StringFlag{Name: "min-free-space", Usage: "remove until the file system has `SIZE` free"},
			&cli.StringFlag{Name: "reserved-space", Usage: "always keep `SIZE` of the cache"},
			&cli.BoolFlag{Name: "verbose", Usage: "show details of the removed entries"},
			builderFlag(),
		},
		Action: buildPrune,
	}
}

// spaceLimits parses the flags that limit the space of the cache.
func spaceLimits(ctx *cli.Context) (l diskusage.Limits, err error) {
	for flag, to := range map[string]*int64{
		"max-used-space": &l.MaxUsed, "min-free-space": &l.MinFree, "reserved-space": &l.Reserved,
	} {
		if text := ctx.String(flag); text != "" {
			if *to, err = units.RAMInBytes(text); err != nil || *to < 0 {
				return l, fmt.Errorf("--%s %s: must be a size, such as 512mb or 2gb", flag, text)
			}
		}
	}
	return l, nil
}

func buildPrune(ctx *cli.Context) error {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 0), checkBuilder(ctx)); err != nil {
		return err
	}
	filter, err := diskusage.ParseFilter(ctx.StringSlice("filter"), time.Now())
	if err != nil {
		return err
	}
	limits, err := spaceLimits(ctx)
	if err != nil {
		return err
	}
	if ctx.Bool("all") {
		yes, err := command.Confirm(ctx, "minirun build prune --all", "This removes the build cache, including the "+
			"records of the last builds.\nThe next builds run all steps again.")
		if err != nil || !yes {
			return err
		}
	}
	s, release, err := command.OpenExclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	all, err := s.BuildCache(ctx.Context)
	if err != nil {
		return err
	}
	var fsys unix.Statfs_t
	if err := unix.Statfs(s.Dir, &fsys); err != nil {
		return fmt.Errorf("statfs %s: %w", s.Dir, err)
	}
	var used int64
	var removable []*store.CacheEntry
	for _, e := range all {
		used += e.Size
		if !e.InUse && filter(e) && (ctx.Bool("all") || e.Type != store.InternalEntry) {
			removable = append(removable, e)
		}
	}
	selected := limits.Select(removable, used, int64(fsys.Bavail)*fsys.Bsize)
	if err := s.RemoveBuildCache(ctx.Context, selected); err != nil {
		return err
	}
	if _, err := s.Sweep(ctx.Context); err != nil {
		return err
	}
	return diskusage.WriteRemoved(ctx.App.Writer, selected, ctx.Bool("verbose"))
}
