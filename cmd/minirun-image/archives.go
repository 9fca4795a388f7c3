package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/build/options"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/stdio"
)

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
	from := cmp.Or(ctx.Args().First(), ctx.String("input"), "-")
	if ctx.NArg() == 1 && ctx.IsSet("input") {
		return fmt.Errorf("load: both %q and --input %q are given\nhint: load one archive after the other", from,
			ctx.String("input"))
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
			&cli.StringFlag{Name: "platform",
				Usage: "write only the image for `OS/ARCHITECTURE[/VARIANT]` of several"},
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
		if err == nil && ctx.String("platform") != "" {
			if i, err = s.LoadPlatform(i.Target, i.Name, ctx.String("platform")); err != nil {
				return fmt.Errorf("image %s: %w", text, err)
			}
			i.Target = i.Desc // not the index
		}
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
	} else if stdio.Out.IsTerminal() && ctx.String("dir") == "" {
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
			&cli.StringFlag{Name: "message", Aliases: []string{"m"}, Usage: "`TEXT` that history shows"},
			&cli.StringSliceFlag{Name: "platform", Usage: "`OS/ARCHITECTURE[/VARIANT]` of the files"},
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
	o, err := importOptions(ctx, from)
	if err != nil {
		return err
	}
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
	d, err := transfer.Import(ctx.Context, s, in, o)
	if err != nil {
		return fmt.Errorf("import %s: %w", from, err)
	}
	return addImages(ctx, s, names, d)
}

func importOptions(ctx *cli.Context, from string) (o transfer.ImportOptions, err error) {
	o = transfer.ImportOptions{From: filepath.Base(from), Message: ctx.String("message"),
		Changes: ctx.StringSlice("change")}
	list, err := options.Platforms(ctx.StringSlice("platform"))
	switch {
	case len(list) > 1:
		return o, errors.New("import: an archive has the files for one --platform")
	case len(list) == 1:
		o.Platform = list[0]
	}
	return o, err
}
