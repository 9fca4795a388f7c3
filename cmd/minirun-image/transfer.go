package main

import (
	"errors"
	"fmt"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/listing"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
	"github.com/minirun/minirun/internal/termtext"
)

func quietFlag() cli.Flag {
	return &cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "show no progress"}
}

func jobsFlag() cli.Flag {
	return &cli.IntFlag{Name: "jobs", Value: 3, Usage: "transfer `N` layers at once"}
}

// trustFlag returns a flag of docker's that has no effect there either by default.
func trustFlag() cli.Flag {
	return &cli.BoolFlag{Name: "disable-content-trust", Value: true,
		Usage: "accepted for compatibility; signatures are not verified"}
}

func pullCommand() *cli.Command {
	return &cli.Command{
		Name: "pull", Usage: "pull an image from a registry", ArgsUsage: "NAME",
		Description: "Credentials are those of minirun login, or of docker login. Mirrors and\n" +
			"registries without TLS are listed in /etc/" + transfer.RegistriesFile + ", or in the same\n" +
			"file in ~/.config. An interrupted pull continues where it stopped. A request that fails\n" +
			"temporarily is tried up to six times.",
		Flags: []cli.Flag{
			quietFlag(), jobsFlag(),
			&cli.StringFlag{Name: "platform",
				Usage: "use `OS/ARCHITECTURE[/VARIANT]` instead of this machine's platform"},
			&cli.BoolFlag{Name: "all-platforms", Usage: "pull the images for all platforms, and keep their index"},
			&cli.BoolFlag{Name: "all-tags", Aliases: []string{"a"}, Usage: "pull all tags of the repository"},
			trustFlag(),
			&cli.BoolFlag{Name: "no-unpack", Usage: "do not unpack the layers until the image is run"},
		},
		Action: pull,
	}
}

func pull(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	name, err := image.ParseName(ctx.Args().First())
	if err != nil {
		return err
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	names := []image.Name{name}
	if ctx.Bool("all-tags") {
		if names, err = allTags(ctx, registries, name); err != nil {
			return err
		}
	}
	for _, n := range names {
		if err := pullOne(ctx, registries, s, n); err != nil {
			return err
		}
	}
	return nil
}

// allTags returns the names of all images in a repository.
func allTags(ctx *cli.Context, registries transfer.Registries, name image.Name) (out []image.Name, err error) {
	if text := ctx.Args().First(); listing.HasTag(text) || name.Digest != "" {
		return nil, fmt.Errorf("%s: %s has a tag or a digest, so --all-tags has no effect\nhint: minirun %[1]s --all-tags "+
			"%[3]s", ctx.Command.Name, text, listing.Repository(name))
	}
	tags, err := registries.Tags(retry.WithNotice(ctx.Context, command.RetryNotice(ctx.Bool("quiet"))), name)
	for _, t := range tags {
		n := name
		n.Tag = t
		out = append(out, n)
	}
	return out, err
}

// pullOne pulls one image.
func pullOne(ctx *cli.Context, registries transfer.Registries, s *store.Store, name image.Name) error {
	p := command.ShowTransfer("Pulling", "pull "+name.Familiar(), ctx.Bool("quiet"))
	c := retry.WithNotice(ctx.Context, p.Retrying)
	source, d, err := registries.Find(c, name, command.Warn)
	if err != nil {
		p.Close(err)
		return err
	}
	d, err = transfer.Fetch(c, s, source, d, fetchOptions(ctx), p)
	if p.Close(err); err != nil {
		return fmt.Errorf("pull %s: %w", name, err)
	}
	return addImages(ctx, s, []image.Name{name}, d)
}

// fetchOptions returns what pull and load fetch of an image.
func fetchOptions(ctx *cli.Context) transfer.Options {
	return transfer.Options{
		Platform: ctx.String("platform"), All: ctx.Bool("all-platforms"), Jobs: ctx.Int("jobs"),
	}
}

// addImages names the images that were fetched, unpacks them, and prints their names.
func addImages(ctx *cli.Context, s *store.Store, names []image.Name, d oci.Descriptor) error {
	// Commands that list the store must be able to read the image.
	_, err := s.Load(d, "")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		err = s.AddUnnamed(ctx.Context, d)
	}
	for _, n := range names {
		err = errors.Join(err, s.SetName(ctx.Context, n, d))
	}
	if err != nil {
		return err
	}
	warnOfPlatform(ctx, s, names, d)
	if !ctx.Bool("no-unpack") {
		if err := unpack(ctx, s, d); err != nil {
			return err
		}
	}
	for _, n := range names {
		termtext.Fprintf(ctx.App.Writer, "%s %s\n", n, d.Digest)
	}
	if len(names) == 0 {
		termtext.Fprintln(ctx.App.Writer, d.Digest)
	}
	return nil
}

// warnOfPlatform warns about an image for another platform, unless the user selected it.
func warnOfPlatform(ctx *cli.Context, s *store.Store, names []image.Name, d oci.Descriptor) {
	i, err := s.Load(d, "")
	if err != nil || ctx.String("platform") != "" || ctx.Bool("all-platforms") {
		return // unpack reports the error
	}
	name := d.Digest.String()
	if len(names) > 0 {
		name = names[0].String()
	}
	if platform := image.ForeignPlatform(i.Config.OS, i.Config.Architecture); platform != "" {
		command.Warn(errors.New(image.PlatformWarning(name, platform)))
	}
}

// unpack unpacks an image that this machine can run.
func unpack(ctx *cli.Context, s *store.Store, d oci.Descriptor) error {
	i, err := s.Load(d, "")
	if err != nil {
		return err
	}
	return command.UnpackLayers(ctx, s, i, i.ID())
}
