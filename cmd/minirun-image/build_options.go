package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/options"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// buildOptions reads the flags.
func buildOptions(ctx *cli.Context, s *store.Store) (o build.Options, err error) {
	o = build.Options{
		Context: ctx.Args().First(), File: ctx.String("file"), Target: ctx.String("target"),
		NoCache: ctx.Bool("no-cache"),
		Network: ctx.String("network"), Always: ctx.Bool("pull"),
		Pull: func(c context.Context, name string, p oci.Platform, index bool, shown transfer.Progress) error {
			return pullBase(c, s, name, p, index, shown)
		},
	}
	if o.BuildArgs, err = options.BuildArguments(ctx.StringSlice("build-arg")); err != nil {
		return o, err
	}
	if o.Contexts, err = options.Contexts(ctx.StringSlice("build-context")); err != nil {
		return o, err
	}
	if o.Labels, err = options.Labels(ctx.StringSlice("label")); err != nil {
		return o, err
	}
	if err := stepOptions(ctx, &o); err != nil {
		return o, err
	}
	if o.Secrets, err = build.ParseSecrets(ctx.StringSlice("secret")); err != nil {
		return o, err
	}
	if o.SSH, err = build.ParseSSH(ctx.StringSlice("ssh")); err != nil {
		return o, err
	}
	if o.Platforms, err = options.Platforms(ctx.StringSlice("platform")); err != nil {
		return o, err
	}
	if err := checkBuilder(ctx); err != nil {
		return o, err
	}
	if err := cacheOptions(ctx, &o); err != nil {
		return o, err
	}
	if epoch := os.Getenv(sourceDateEpoch); epoch != "" { // an environment variable sets the build argument
		if _, given := o.BuildArgs[sourceDateEpoch]; !given {
			o.BuildArgs[sourceDateEpoch] = epoch
		}
	}
	return o, nil
}

// stepOptions parses the flags for RUN and its cache.
func stepOptions(ctx *cli.Context, o *build.Options) (err error) {
	switch o.Network {
	case "", "default", "host", "none":
	default:
		return fmt.Errorf("--network %s: must be default, host or none (no daemon manages other networks)", o.Network)
	}
	if o.Without = options.CommaSeparated(ctx.StringSlice("no-cache-filter")); o.NoCache && len(o.Without) > 0 {
		return errors.New("--no-cache cannot be combined with --no-cache-filter")
	}
	allowed, err := options.ParseEntitlements(ctx.StringSlice("allow"))
	if err != nil {
		return err
	}
	o.Allow, o.Devices = allowed.Allow, allowed.Devices
	if o.Hosts, err = options.Hosts(ctx.StringSlice("add-host")); err != nil {
		return err
	}
	o.Limits, err = options.LimitFlags{
		Ulimits: ctx.StringSlice("ulimit"), Resources: ctx.StringSlice("resource"),
		ShmSize: ctx.String("shm-size"), CgroupParent: ctx.String("cgroup-parent"),
	}.Parse()
	return err
}

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

// sourceDateEpoch is the build argument that sets the timestamps of all results.
const sourceDateEpoch = "SOURCE_DATE_EPOCH"
