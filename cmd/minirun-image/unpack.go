package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/bundle"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/namespaces"
	"github.com/minirun/minirun/internal/spec"
	"github.com/minirun/minirun/internal/termtext"
)

func unpackCommand() *cli.Command {
	return &cli.Command{
		Name: "unpack", Usage: "unpack an image's layers in the store, or its root file system into a directory",
		ArgsUsage: "IMAGE [DIR]",
		Description: "DIR gets mode 0700, unless a parent directory already excludes other users, because the\nimage " +
			"may contain set-user-ID programs.",
		Action: unpackImage,
	}
}

func unpackImage(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 2); err != nil {
		return err
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, layers, err := command.OpenUnpacked(ctx, s, ctx.Args().First())
	if err != nil {
		return err
	}
	if ctx.NArg() == 2 {
		return bundle.CopyRootfs(ctx.Context, layers, ctx.Args().Get(1))
	}
	for n, dir := range layers {
		termtext.Fprintf(ctx.App.Writer, "%d %s\n", n+1, dir)
	}
	return nil
}

func bundleCommand() *cli.Command {
	return &cli.Command{
		Name: "bundle", Usage: "write an OCI bundle from an image, for minirun, runc or crun", ArgsUsage: "IMAGE DIR",
		Description: "DIR is created with mode 0700, because the image may contain set-user-ID programs.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "layers",
				Usage: "use the store's layers instead of copying them; only minirun can run the bundle"},
		},
		Action: writeBundle,
	}
}

func writeBundle(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 2, 2); err != nil {
		return err
	}
	dir := ctx.Args().Get(1)
	if _, err := os.Lstat(filepath.Join(dir, "config.json")); err == nil {
		return fmt.Errorf("bundle: %s already contains a config.json\nhint: choose a new directory", dir)
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	_, layers, err := command.OpenUnpacked(ctx, s, ctx.Args().First())
	if err != nil {
		return err
	}
	light, err := s.Open(ctx.Args().First())
	if err != nil {
		return err
	}
	user, err := image.LookUp(layers, light.Config.Config.User)
	if err != nil {
		return err
	}
	config, err := image.Convert(light.Config, image.Wishes{}, user)
	if err != nil {
		return err
	}
	config.Hostname = "minirun"
	config.Linux.MaskedPaths = append(config.Linux.MaskedPaths, spec.HostMasks("/")...)
	if namespaces.Unprivileged() {
		if err := adaptToUser(config); err != nil {
			return err
		}
	}
	return bundle.Bundle{Config: config, Layers: layers, UseLayers: ctx.Bool("layers")}.Write(ctx.Context, dir)
}

// adaptToUser adapts a configuration to the user who runs this program, with the IDs of the files
// in the bundle.
func adaptToUser(config *specs.Spec) error {
	uids, gids := namespaces.Ranges()
	if inUserNamespace { // the user runs the bundle outside of it
		var err error
		if uids, gids, err = namespaces.Current(); err != nil {
			return err
		}
	}
	config.Linux.Resources = nil // the user may not have a writable cgroup
	return image.Unprivileged(config, uids, gids, false)
}
