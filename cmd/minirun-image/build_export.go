package main

import (
	"context"
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

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/ingest"
	"github.com/minirun/minirun/internal/image/transfer"
)

// exported is what --metadata-file has, under buildx's names.
type exported struct {
	Descriptor oci.Descriptor `json:"containerimage.descriptor"`
	Digest     string         `json:"containerimage.digest"`
	Config     string         `json:"containerimage.config.digest,omitempty"`
	Names      string         `json:"image.name,omitempty"`
}

// outputs are those of the command line; without one, the store.
func outputs(ctx *cli.Context) ([]export.Output, error) {
	var out []export.Output
	for _, text := range ctx.StringSlice("output") {
		o, err := export.ParseOutput(text)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		out = append(out, export.Output{Type: "image"})
	}
	if ctx.Bool("push") {
		i := slices.IndexFunc(out, func(o export.Output) bool { return o.Type == "image" })
		if i < 0 {
			return nil, errors.New("--push: needs --output type=image, which is the default")
		}
		out[i].Push = true
	}
	return out, nil
}

// exportBuilt writes the result to every output.
func exportBuilt(ctx *cli.Context, s *ingest.Store, o build.Options, built []build.Built, sink progress.Sink) error {
	list, err := outputs(ctx)
	if err != nil {
		return err
	}
	for _, out := range list {
		const id = 1 << 20 // behind all steps
		sink.Begin(id, "exporting to "+out.Type)
		err := exportTo(ctx, s, o, built, out, func(did string) { sink.Did(id, did) })
		sink.End(id, false, err)
		if err != nil {
			return fmt.Errorf("--output type=%s: %w", out.Type, err)
		}
	}
	return nil
}

func exportTo(ctx *cli.Context, s *ingest.Store, o build.Options, built []build.Built, out export.Output, did func(string)) error {
	switch out.Type {
	case "cacheonly":
		return nil
	case "local", "tar":
		for _, b := range built {
			to := out
			if len(built) > 1 {
				if out.Type == "tar" {
					return errors.New("has one file system, and there are several platforms")
				}
				to.Dest = filepath.Join(out.Dest, strings.ReplaceAll(platforms.Format(b.Platform), "/", "_"))
			}
			err := error(nil)
			if out.Type == "tar" {
				err = export.Tar(ctx.Context, to, b.Image(o.Epoch))
			} else {
				err = export.Local(ctx.Context, to.Dest, b.Image(o.Epoch))
			}
			if err != nil {
				return err
			}
			did("writing " + to.Dest)
		}
		return nil
	}
	return exportImage(ctx, s, o, built, out, did)
}

// exportImage stores the image, names it, and writes or sends it.
func exportImage(ctx *cli.Context, s *ingest.Store, o build.Options, built []build.Built, out export.Output, did func(string)) error {
	names, err := export.Names(append(slices.Clone(out.Names), ctx.StringSlice("tag")...))
	if err != nil {
		return err
	}
	var list []oci.Descriptor
	for _, b := range built {
		r := b.Image(o.Epoch)
		r.Compression, r.Annotations, r.Rewrite = out.Compression, out.Annotations, out.Rewrite
		d, err := export.Image(ctx.Context, s, r)
		if err != nil {
			return err
		}
		list = append(list, d)
	}
	d := list[0]
	if len(list) > 1 {
		if d, err = export.Index(s, list, out.Annotations); err != nil {
			return err
		}
	} else {
		d.Platform = nil
	}
	did("exporting layers")
	i, err := s.Load(d, "")
	if err != nil {
		return err
	}
	if out.Type != "image" { // an archive alone leaves no image behind
		var saved []transfer.Saved
		for _, n := range names {
			saved = append(saved, transfer.Saved{Name: n.String(), Image: i})
		}
		if len(saved) == 0 {
			saved = append(saved, transfer.Saved{Image: i})
		}
		if err := export.Archive(s, out, saved, silent{}); err != nil {
			return err
		}
		did("writing " + i.ID() + " to " + out.Dest)
		return told(ctx, d, i)
	}
	did("writing image " + i.ID())
	if len(names) == 0 {
		if err := s.Keep(d); err != nil {
			return err
		}
	}
	for _, n := range names {
		if err := s.SetName(n, d); err != nil {
			return err
		}
		did("naming to " + n.String())
	}
	if out.Push {
		if err := pushBuilt(ctx.Context, s, i, names); err != nil {
			return err
		}
		did("pushing to the registry")
	}
	return told(ctx, d, i)
}

func pushBuilt(ctx context.Context, s *ingest.Store, i *ingest.Image, names []image.Name) error {
	if len(names) == 0 {
		return errors.New("push: the image has no name: give -t NAME")
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := registries.Push(ctx, s, i, n, 3, silent{}); err != nil {
			return err
		}
	}
	return nil
}

// told says what has come out, to people and to files.
func told(ctx *cli.Context, d oci.Descriptor, i *ingest.Image) error {
	if ctx.Bool("quiet") {
		fmt.Fprintln(ctx.App.Writer, i.ID())
	}
	if file := ctx.String("iidfile"); file != "" {
		if err := os.WriteFile(file, []byte(i.ID()), 0o644); err != nil {
			return err
		}
	}
	file := ctx.String("metadata-file")
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(exported{d, d.Digest.String(), i.ID(), strings.Join(ctx.StringSlice("tag"), ",")}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
