package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/command"
	"github.com/minirun/minirun/internal/image/imagetools"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
	"github.com/minirun/minirun/internal/termtext"
)

func imagetoolsCommand() *cli.Command {
	builder := &cli.StringFlag{Name: "builder", Usage: "accepted for compatibility; the `NAME` is ignored"}
	return &cli.Command{
		Name: "imagetools", Usage: "combine images for several platforms in a registry, or inspect them",
		Action: cmdline.Subcommand,
		Subcommands: []*cli.Command{{
			Name: "create", Usage: "combine images into an index, and push it", ArgsUsage: "SOURCE…",
			Description: "" +
				"A SOURCE is the name of an image or an index in a registry; a digest in the repository that\n" +
				"the tags and the other sources have in common; a descriptor in JSON; or an image in an image\n" +
				"layout, oci-layout://DIR:TAG. A single index is copied unchanged.",
			Flags: []cli.Flag{
				&cli.StringSliceFlag{Name: "annotation",
					Usage: "add an annotation: `TYPE:KEY=VALUE`, of index or manifest-descriptor[PLATFORM]"},
				&cli.BoolFlag{Name: "append", Usage: "append the sources to the images that the tags refer to"},
				builder,
				&cli.BoolFlag{Name: "dry-run", Usage: "print the new image instead of pushing it"},
				&cli.StringSliceFlag{Name: "file", Aliases: []string{"f"}, Usage: "read a source from `FILE`"},
				jobsFlag(),
				&cli.StringFlag{Name: "metadata-file",
					Usage: "write the descriptor and repositories of the new image to `FILE`, as JSON"},
				&cli.StringSliceFlag{Name: "platform", Aliases: []string{"p"},
					Usage: "use only the images for `PLATFORM[,…]`, and their attestations"},
				&cli.BoolFlag{Name: "prefer-index", Value: true, Usage: "create an index even for a single image"},
				&cli.StringFlag{Name: "progress", Value: "auto",
					Usage: "show progress as `auto`, tty, plain, rawjson or none"},
				&cli.StringSliceFlag{Name: "tag", Aliases: []string{"t"},
					Usage: "`NAME` of the new image; can be repeated"},
			},
			Action: createIndex,
		}, {
			Name: "inspect", Usage: "show an image in a registry", ArgsUsage: "NAME",
			Description: "A template has the fields .Name, .Manifest, .Image, .Provenance and .SBOM and the function " +
				"json.\n" +
				"The last three are maps by platform if there are several: (index .Image \"linux/amd64\").",
			Flags: []cli.Flag{
				builder,
				&cli.StringFlag{Name: "format",
					Usage: "format the output with a Go `TEMPLATE`; json prints all but the attestations"},
				&cli.BoolFlag{Name: "raw", Usage: "print the manifest or index unchanged"},
			},
			Action: inspectIndex,
		}},
	}
}

func createIndex(ctx *cli.Context) error {
	request, err := parseCreation(ctx)
	if err != nil {
		return err
	}
	file := ctx.String("metadata-file")
	if err := checkCreation(request, file, ctx.Bool("dry-run")); err != nil {
		return err
	}
	if err := checkProgress(ctx.String("progress")); err != nil {
		return err
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	resolver := imagetools.Resolver{Registries: registries, Warn: command.Warn}
	notice := command.RetryNotice(ctx.String("progress") == "none")
	made, err := resolver.Create(retry.WithNotice(ctx.Context, notice), request)
	if err != nil {
		return fmt.Errorf("imagetools create: %w", err)
	}
	if ctx.Bool("dry-run") {
		_, err := fmt.Fprintf(ctx.App.Writer, "%s\n", made.Document)
		return err
	}
	show, err := pushDisplay(ctx.String("progress"))
	if err != nil {
		return err
	}
	err = made.Push(ctx.Context, registries, request.Tags, ctx.Int("jobs"), show)
	show.Close()
	if err != nil {
		return fmt.Errorf("imagetools create: %w", err)
	}
	if file != "" {
		if err := writeCreated(file, made.Descriptor, request.Tags); err != nil {
			return err
		}
	}
	for _, t := range request.Tags {
		termtext.Fprintf(ctx.App.Writer, "%s %s\n", t, made.Descriptor.Digest)
	}
	return nil
}

// parseCreation reads the command line, and the files named on it.
func parseCreation(ctx *cli.Context) (q imagetools.Request, err error) {
	var texts []string
	for _, file := range ctx.StringSlice("file") {
		text, err := os.ReadFile(file)
		if err != nil {
			return q, err
		}
		if strings.TrimSpace(string(text)) == "" {
			return q, fmt.Errorf("--file %s: the file is empty", file)
		}
		texts = append(texts, string(text))
	}
	for _, text := range append(texts, ctx.Args().Slice()...) {
		s, err := imagetools.ParseSource(text)
		if err != nil {
			return q, err
		}
		q.Sources = append(q.Sources, s)
	}
	for _, text := range ctx.StringSlice("tag") {
		n, err := image.ParseName(text)
		if err == nil && n.Digest != "" {
			err = errors.New("must be NAME[:TAG], not a digest")
		}
		if err != nil {
			return q, fmt.Errorf("--tag %s: %w", text, err)
		}
		q.Tags = append(q.Tags, n)
	}
	for _, list := range ctx.StringSlice("platform") {
		for text := range strings.SplitSeq(list, ",") {
			p, err := platforms.Parse(text)
			if err != nil {
				return q, fmt.Errorf("--platform %s: %w", text, err)
			}
			q.Platforms = append(q.Platforms, p)
		}
	}
	q.Append, q.PreferIndex = ctx.Bool("append"), ctx.Bool("prefer-index")
	q.Annotations, err = indexAnnotations(ctx.StringSlice("annotation"))
	return q, err
}

func indexAnnotations(texts []string) (out []imagetools.Annotation, err error) {
	for _, text := range texts {
		list, err := export.ParseAnnotation(text)
		if err != nil {
			return nil, err
		}
		for _, a := range list {
			if a.On != "index" && a.On != "manifest-descriptor" {
				return nil, fmt.Errorf("--annotation %q: only the index and its descriptors can be annotated\nhint: "+
					"use --annotation index:%s=%s, or manifest-descriptor:%[2]s=%[3]s", text, a.Key, a.Value)
			}
			out = append(out, imagetools.Annotation{OnIndex: a.On == "index", Platform: a.Platform, Key: a.Key,
				Value: a.Value})
		}
	}
	return out, nil
}

func checkCreation(q imagetools.Request, file string, dryRun bool) error {
	switch {
	case len(q.Sources) == 0:
		return errors.New("imagetools create: no source is given\nhint: name images, such as " +
			"minirun imagetools create --tag NAME IMAGE…, or use --file")
	case len(q.Tags) == 0 && !dryRun:
		return errors.New("imagetools create: no tag is given\nhint: use --tag NAME, or --dry-run to print the image")
	case q.Append && len(q.Tags) == 0:
		return errors.New("--append requires --tag")
	case file != "" && dryRun:
		return errors.New("--metadata-file cannot be combined with --dry-run, which creates no image")
	case file != "":
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return fmt.Errorf("--metadata-file: %w", err)
		}
	}
	return nil
}

func checkProgress(mode string) error {
	if !slices.Contains([]string{"auto", "tty", "plain", "rawjson", "none"}, mode) {
		return fmt.Errorf("--progress %s: must be auto, tty, plain, rawjson or none", mode)
	}
	return nil
}

// pushDisplay returns the display of builds. Mode quiet is called none in buildx.
func pushDisplay(mode string) (progress.Display, error) {
	if mode == "none" {
		mode = "quiet"
	}
	return progress.New(mode, os.Stderr)
}

// writeCreated writes the metadata of a new image, with buildx's names.
func writeCreated(file string, d oci.Descriptor, tags []image.Name) error {
	var repositories []string
	for _, t := range tags {
		t.Tag = ""
		if !slices.Contains(repositories, t.String()) {
			repositories = append(repositories, t.String())
		}
	}
	text, err := json.MarshalIndent(map[string]any{"containerimage.descriptor": d,
		"image.name": strings.Join(repositories, ",")}, "", "  ")
	if err == nil {
		err = export.WriteFile(file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}

func inspectIndex(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	if ctx.Bool("raw") && ctx.String("format") != "" {
		return errors.New("--raw and --format cannot be combined")
	}
	source, err := imagetools.ParseSource(ctx.Args().First())
	if err != nil {
		return err
	}
	if source.Name.Registry == "" && source.Layout == "" {
		return fmt.Errorf("%s: must be the name of an image", source.Text)
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	resolver := imagetools.Resolver{Registries: registries, Warn: command.Warn}
	view, err := resolver.Inspect(retry.WithNotice(ctx.Context, command.RetryNotice(false)), source)
	if err != nil {
		return fmt.Errorf("imagetools inspect: %w", err)
	}
	if ctx.Bool("raw") {
		_, err := ctx.App.Writer.Write(view.Raw)
		return err
	}
	text := view.Manifest.String()
	if format := ctx.String("format"); format != "" {
		if text, err = view.Format(format); err != nil {
			return fmt.Errorf("imagetools inspect: %w", err)
		}
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	termtext.Fprintf(ctx.App.Writer, "%s", termtext.Multiline(text))
	return nil
}
