package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/console"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
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

func pushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "push an image to a registry", ArgsUsage: "NAME [TO]",
		Flags: []cli.Flag{quietFlag(), jobsFlag()}, Action: push,
	}
}

func push(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 2); err != nil {
		return err
	}
	to, err := image.ParseName(ctx.Args().Get(ctx.NArg() - 1))
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
	i, err := s.OpenImage(ctx.Args().First())
	if err != nil {
		return err
	}
	p := command.ShowTransfer("Pushing", "push "+to.Familiar(), ctx.Bool("quiet"))
	err = registries.Push(retry.WithNotice(ctx.Context, p.Retrying), s, i, to, ctx.Int("jobs"), p)
	if p.Close(err); err != nil {
		return err
	}
	termtext.Fprintf(ctx.App.Writer, "%s %s\n", to, i.Target.Digest)
	return nil
}

func loadCommand() *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "load images from an archive or a directory", ArgsUsage: "[FILE|DIR]",
		Description: "Reads an OCI image layout, which is a directory or an archive, or an archive written by\n" +
			"docker save. Archives may be compressed (gzip, zstd, bzip2, xz). Without an argument, or\nwith -, the " +
			"archive is read from standard input.",
		Flags: []cli.Flag{
			quietFlag(), jobsFlag(),
			&cli.StringFlag{Name: "input", Aliases: []string{"i"}, Usage: "read the archive `FILE`, as in docker load"},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of an image that has no name in the archive"},
			&cli.StringFlag{Name: "platform",
				Usage: "use `OS/ARCHITECTURE[/VARIANT]` instead of this machine's platform"},
			&cli.BoolFlag{Name: "all-platforms", Usage: "load the images for all platforms"},
			&cli.BoolFlag{Name: "no-unpack", Usage: "do not unpack the layers until the image is run"},
		},
		Action: load,
	}
}

func load(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 1); err != nil {
		return err
	}
	from := "-"
	for _, given := range []string{ctx.Args().First(), ctx.String("input")} {
		if given != "" {
			from = given
		}
	}
	var name *image.Name
	if text := ctx.String("name"); text != "" {
		n, err := image.ParseName(text)
		if err != nil {
			return err
		}
		name = &n
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	archive, found, err := transfer.OpenArchive(ctx.Context, from, filepath.Join(s.Dir, "tmp"))
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer func() { _ = archive.Close() }()
	for _, f := range found {
		p := command.ShowTransfer("Loading", "load "+f.Desc.Digest.String(), ctx.Bool("quiet"))
		d, err := transfer.Fetch(ctx.Context, s, archive, f.Desc, fetchOptions(ctx), p)
		if p.Close(err); err != nil {
			return fmt.Errorf("load %s: %w", from, err)
		}
		if name != nil {
			f.Names = []image.Name{*name}
		}
		if err := addImages(ctx, s, f.Names, d); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("load %s: the archive contains no images", from)
	}
	return nil
}

func saveCommand() *cli.Command {
	return &cli.Command{
		Name: "save", Usage: "write images to an archive or a directory", ArgsUsage: "NAME…",
		Description: "The archive is an OCI image layout that docker load, podman and skopeo can also read: it\n" +
			"has Docker's manifest.json next to index.json. The blobs are copied unchanged.",
		Flags: []cli.Flag{
			quietFlag(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` instead of standard output"},
			&cli.StringFlag{Name: "dir", Usage: "write an OCI image layout to the directory `DIR`"},
		},
		Action: saveImages,
	}
}

func saveImages(ctx *cli.Context) (err error) {
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	var images []transfer.NamedImage
	for _, text := range ctx.Args().Slice() {
		i, err := s.OpenImage(text)
		if err != nil {
			return err
		}
		images = append(images, transfer.NamedImage{Name: i.Name, Image: i})
	}
	out := io.Writer(os.Stdout)
	if file := ctx.String("output"); file != "" {
		f, err := atomicfile.Create(file, 0o666)
		if err != nil {
			return err
		}
		defer func() { err = f.Done(err) }()
		out = f
	} else if _, err := console.ConsoleFromFile(os.Stdout); err == nil && ctx.String("dir") == "" {
		return errors.New("save: refusing to write an archive to a terminal\nhint: redirect standard output, or use " +
			"--output or --dir")
	}
	p := command.ShowTransfer("Saving", "save "+strings.Join(ctx.Args().Slice(), " "), ctx.Bool("quiet"))
	err = transfer.Save(ctx.Context, s, images, ctx.String("dir"), out, p)
	p.Close(err)
	return err
}

func importCommand() *cli.Command {
	return &cli.Command{
		Name: "import", Usage: "create an image from a root file system in a tar archive", ArgsUsage: "FILE|- [NAME]",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "change", Aliases: []string{"c"},
				Usage: "apply a Dockerfile's `INSTRUCTION`, such as 'CMD [\"sh\"]'"},
			&cli.BoolFlag{Name: "no-unpack", Usage: "do not unpack the layer until the image is run"},
		},
		Action: importTar,
	}
}

func importTar(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 2); err != nil {
		return err
	}
	var names []image.Name
	if ctx.NArg() == 2 {
		n, err := image.ParseName(ctx.Args().Get(1))
		if err != nil {
			return err
		}
		names = append(names, n)
	}
	from := ctx.Args().First()
	in := os.Stdin
	if from != "-" {
		f, err := ctxio.Open(ctx.Context, from)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	s, release, err := command.OpenShared(ctx)
	if err != nil {
		return err
	}
	defer release()
	d, err := transfer.Import(ctx.Context, s, in, filepath.Base(from), ctx.StringSlice("change"))
	if err != nil {
		return fmt.Errorf("import %s: %w", from, err)
	}
	return addImages(ctx, s, names, d)
}
