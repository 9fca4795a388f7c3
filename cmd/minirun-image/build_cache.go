package main

import (
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/remotecache"
)

// cacheOptions parses --cache-from and --cache-to.
func cacheOptions(ctx *cli.Context, o *build.Options) error {
	for _, text := range ctx.StringSlice("cache-from") {
		f, err := remotecache.ParseFrom(text)
		if err != nil {
			return err
		}
		o.CacheFrom = append(o.CacheFrom, f)
	}
	for _, text := range ctx.StringSlice("cache-to") {
		t, err := remotecache.ParseTo(text)
		if err != nil {
			return err
		}
		o.CacheTo = append(o.CacheTo, t)
	}
	return nil
}
