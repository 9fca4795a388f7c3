package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/go-units"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

func buildPruneCommand() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove build cache",
		Description: "Without a limit, all entries that match the filters are removed. With a limit, those that\n" +
			"were not used for the longest time are removed first. Layers that images use are kept. See\nalso: minirun prune.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "also remove file digests and the records of the last builds"},
			filterFlag(),
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "accepted for compatibility; prune never asks"},
			&cli.StringFlag{Name: "max-used-space", Usage: "remove until the cache takes at most `SIZE`"},
			&cli.StringFlag{Name: "min-free-space", Usage: "remove until the file system has `SIZE` free"},
			&cli.StringFlag{Name: "reserved-space", Usage: "always keep `SIZE` of the cache"},
			&cli.BoolFlag{Name: "verbose", Usage: "show details of the removed entries"},
			builderFlag(),
		},
		Action: buildPrune,
	}
}

// A space limits how much of the cache remains; 0 means no limit.
type space struct{ maxUsed, minFree, reserved int64 }

func spaceOf(ctx *cli.Context) (s space, err error) {
	for flag, to := range map[string]*int64{"max-used-space": &s.maxUsed, "min-free-space": &s.minFree, "reserved-space": &s.reserved} {
		if text := ctx.String(flag); text != "" {
			if *to, err = units.RAMInBytes(text); err != nil || *to < 0 {
				return s, fmt.Errorf("--%s %s: must be a size, such as 512mb or 2gb", flag, text)
			}
		}
	}
	return s, nil
}

// chosen selects the entries to remove, among the removable ones, to satisfy the limits.
func (s space) chosen(may []*store.CacheEntry, used, free int64) (out []*store.CacheEntry) {
	slices.SortStableFunc(may, func(a, b *store.CacheEntry) int { return cmp.Or(a.Used.Compare(b.Used), cmp.Compare(b.Size, a.Size)) })
	limited := s.maxUsed > 0 || s.minFree > 0
	for _, e := range may {
		fits := (s.maxUsed == 0 || used <= s.maxUsed) && (s.minFree == 0 || free >= s.minFree)
		if limited && fits || s.reserved > 0 && used <= s.reserved {
			break
		}
		out = append(out, e)
		used -= e.Size
		if !e.Shared {
			free += e.Size
		}
	}
	return out
}

func buildPrune(ctx *cli.Context) error {
	if err := errors.Join(cmdline.CheckCount(ctx, 0, 0), checkBuilder(ctx)); err != nil {
		return err
	}
	filter, err := cacheFilter(ctx.StringSlice("filter"), time.Now())
	if err != nil {
		return err
	}
	limits, err := spaceOf(ctx)
	if err != nil {
		return err
	}
	s, release, err := owned(ctx)
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
	var may []*store.CacheEntry
	for _, e := range all {
		used += e.Size
		if !e.InUse && filter(e) && (ctx.Bool("all") || e.Type != store.InternalEntry) {
			may = append(may, e)
		}
	}
	gone := limits.chosen(may, used, int64(fsys.Bavail)*fsys.Bsize)
	if err := s.RemoveBuildCache(ctx.Context, gone); err != nil {
		return err
	}
	if _, err := s.Sweep(ctx.Context); err != nil {
		return err
	}
	return writePruned(ctx, gone)
}

// writePruned reports what was removed and how much space that frees. Layers that images also use
// free none.
func writePruned(ctx *cli.Context, gone []*store.CacheEntry) error {
	var freed int64
	for _, e := range gone {
		if !e.Shared {
			freed += e.Size
		}
	}
	w := ctx.App.Writer
	if len(gone) > 0 {
		var err error
		if ctx.Bool("verbose") {
			err = writePretty(w, gone)
		} else {
			err = writeTemplate(w, `table {{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}`, cacheHeaders(), cacheRows(gone))
		}
		if err != nil {
			return err
		}
	}
	termtext.Fprintf(w, "Total: %s\n", units.HumanSize(float64(freed)))
	return nil
}
