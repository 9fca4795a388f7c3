package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/cmdline"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/termtext"
)

func formatFlag() cli.Flag {
	return &cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}
}

func wantsJSON(ctx *cli.Context) (bool, error) {
	switch f := ctx.String("format"); f {
	case "json":
		return true, nil
	case "table":
		return false, nil
	default:
		return false, fmt.Errorf("--format %q: must be table or json", f)
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// A listed is an image as `images` prints it.
type listed struct {
	Name     string        `json:"name,omitempty"`
	ID       string        `json:"id"`
	Digest   string        `json:"digest"`
	Created  *time.Time    `json:"created,omitempty"`
	Size     int64         `json:"size"` // total of the blobs
	Layers   int           `json:"layers"`
	Unpacked bool          `json:"unpacked"`
	Platform *oci.Platform `json:"platform,omitempty"`
}

func imagesCommand() *cli.Command {
	return &cli.Command{
		Name: "images", Usage: "list images", ArgsUsage: "[NAME]",
		Flags: []cli.Flag{
			formatFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only IDs"},
			&cli.BoolFlag{Name: "no-trunc", Usage: "show IDs in full"},
		},
		Action: images,
	}
}

func images(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 1); err != nil {
		return err
	}
	asJSON, err := wantsJSON(ctx)
	if err != nil {
		return err
	}
	s := &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
	index, err := s.Index()
	if err != nil {
		return err
	}
	list := []listed{}
	for _, d := range index.Manifests {
		name := d.Annotations[oci.AnnotationRefName]
		if only := ctx.Args().First(); only != "" && !sameImage(name, only) {
			continue
		}
		i, err := s.Load(d, name)
		if err != nil {
			return fmt.Errorf("image %s: %w", d.Digest, err)
		}
		list = append(list, describe(s, i))
	}
	switch {
	case asJSON:
		return writeJSON(ctx.App.Writer, list)
	case ctx.Bool("quiet"):
		for _, l := range list {
			termtext.Fprintln(ctx.App.Writer, shortID(l.ID, ctx.Bool("no-trunc")))
		}
		return nil
	}
	table := tabwriter.NewWriter(ctx.App.Writer, 0, 0, 3, ' ', 0)
	termtext.Fprintf(table, "NAME\tID\tCREATED\tLAYERS\tSIZE\n")
	for _, l := range list {
		name := "<none>"
		if n, err := image.ParseName(l.Name); err == nil {
			name = n.Familiar()
		}
		termtext.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", name, shortID(l.ID, ctx.Bool("no-trunc")), age(l.Created), l.Layers, units.HumanSize(float64(l.Size)))
	}
	return table.Flush()
}

// sameImage reports whether a name matches want. Any tag matches if want has none.
func sameImage(name, want string) bool {
	n, err := image.ParseName(name)
	w, err2 := image.ParseName(want)
	if err != nil || err2 != nil {
		return false
	}
	return n.Registry == w.Registry && n.Repository == w.Repository && (n.Tag == w.Tag || !strings.Contains(want[strings.LastIndexByte(want, '/')+1:], ":"))
}

func describe(s *store.Store, i *store.Image) listed {
	l := listed{
		Name: i.Name, ID: i.ID(), Digest: i.Target.Digest.String(), Created: i.Config.Created, Size: i.Desc.Size + i.Manifest.Config.Size,
		Layers: len(i.Manifest.Layers), Platform: &i.Config.Platform,
	}
	for _, b := range i.Manifest.Layers {
		l.Size += b.Size
	}
	_, err := s.Layers(i.ID())
	l.Unpacked = err == nil
	return l
}

func shortID(id string, full bool) string {
	if full {
		return id
	}
	return strings.TrimPrefix(id, "sha256:")[:12]
}

func age(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return units.HumanDuration(time.Since(*t)) + " ago"
}

func tagCommand() *cli.Command {
	return &cli.Command{Name: "tag", Usage: "give an image another name", ArgsUsage: "IMAGE NAME", Action: tag}
}

func tag(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 2, 2); err != nil {
		return err
	}
	name, err := image.ParseName(ctx.Args().Get(1))
	if err != nil {
		return err
	}
	if name.Digest != "" {
		return errors.New("tag: the target must be NAME[:TAG], not a digest")
	}
	s, release, err := shared(ctx)
	if err != nil {
		return err
	}
	defer release()
	d, _, err := s.FindImage(ctx.Args().First())
	if err != nil {
		return err
	}
	return s.SetName(ctx.Context, name, d)
}

func rmiCommand() *cli.Command {
	return &cli.Command{
		Name: "rmi", Usage: "remove images, or one of their names", ArgsUsage: "IMAGE…",
		Description: "Removing the last name of an image also removes its blobs and layers, except those\n" +
			"that other images use. An image that a container uses is kept until the container is\nremoved.",
		Action: rmi,
	}
}

func rmi(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, cmdline.Unlimited); err != nil {
		return err
	}
	s, release, err := owned(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, text := range ctx.Args().Slice() {
		gone, err := s.RemoveName(ctx.Context, text)
		if err != nil {
			return err
		}
		for _, g := range gone {
			if g == "" {
				g = text
			}
			termtext.Fprintln(ctx.App.Writer, "removed", g)
		}
	}
	out, err := s.Sweep(ctx.Context)
	report(ctx, out)
	return err
}

func report(ctx *cli.Context, out store.Swept) {
	termtext.Fprintf(ctx.App.Writer, "removed %d blobs and %d unpacked layers (%s)\n", out.Blobs, out.Layers, units.HumanSize(float64(out.Bytes)))
}

func pruneCommand() *cli.Command {
	return &cli.Command{
		Name: "prune", Usage: "remove images without a name, and unused data",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "remove all images that no container uses"},
			&cli.BoolFlag{Name: "build", Usage: "also remove the build cache"},
			&cli.DurationFlag{Name: "unused", Usage: "with --build: remove only entries unused for `DURATION`, such as 72h"},
		},
		Action: prune,
	}
}

func prune(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	s, release, err := owned(ctx)
	if err != nil {
		return err
	}
	defer release()
	if ctx.Bool("build") {
		n, err := s.ForgetBuilds(ctx.Context, ctx.Duration("unused"))
		if err != nil {
			return err
		}
		freed, err := source.Prune(filepath.Join(s.Dir, "build"), time.Now().Add(-ctx.Duration("unused")))
		if err != nil {
			return err
		}
		termtext.Fprintf(ctx.App.Writer, "removed %d build cache records and %s of downloaded sources\n", n, units.HumanSize(float64(freed)))
	}
	names, out, err := s.Prune(ctx.Context, ctx.Bool("all"))
	for _, n := range names {
		termtext.Fprintln(ctx.App.Writer, "removed", n)
	}
	if err == nil {
		report(ctx, out)
	}
	return err
}

// A step is one line of `history`: one instruction of the Dockerfile.
type step struct {
	Created   *time.Time `json:"created,omitempty"`
	CreatedBy string     `json:"createdBy"`
	Comment   string     `json:"comment,omitempty"`
	Layer     string     `json:"layer,omitempty"` // digest of the blob; "" if the instruction created no layer
	Size      int64      `json:"size"`
}

func historyCommand() *cli.Command {
	return &cli.Command{
		Name: "history", Usage: "show the instructions that created an image, newest first", ArgsUsage: "IMAGE",
		Flags:  []cli.Flag{formatFlag(), &cli.BoolFlag{Name: "no-trunc", Usage: "show instructions in full"}},
		Action: history,
	}
}

func history(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 1, 1); err != nil {
		return err
	}
	asJSON, err := wantsJSON(ctx)
	if err != nil {
		return err
	}
	s := &store.Store{Store: &image.Store{Dir: ctx.String("store")}}
	i, err := s.OpenImage(ctx.Args().First())
	if err != nil {
		return err
	}
	steps := stepsOf(i)
	if asJSON {
		return writeJSON(ctx.App.Writer, steps)
	}
	table := tabwriter.NewWriter(ctx.App.Writer, 0, 0, 3, ' ', 0)
	termtext.Fprintf(table, "LAYER\tCREATED\tCREATED BY\tSIZE\n")
	for n := len(steps) - 1; n >= 0; n-- {
		st := steps[n]
		layer, by := "metadata", strings.Join(strings.Fields(st.CreatedBy), " ")
		if st.Layer != "" {
			layer = shortID(st.Layer, false)
		}
		if r := []rune(by); !ctx.Bool("no-trunc") && len(r) > 60 {
			by = string(r[:59]) + "…"
		}
		termtext.Fprintf(table, "%s\t%s\t%s\t%s\n", layer, age(st.Created), by, units.HumanSize(float64(st.Size)))
	}
	return table.Flush()
}

// stepsOf matches an image's history with its layers: each entry that is not marked as empty takes
// the next layer. Layers that are not in the history come last.
func stepsOf(i *store.Image) []step {
	steps := []step{}
	next := 0
	for _, h := range i.Config.History {
		st := step{Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment}
		if !h.EmptyLayer && next < len(i.Manifest.Layers) {
			st.Layer, st.Size = i.Manifest.Layers[next].Digest.String(), i.Manifest.Layers[next].Size
			next++
		}
		steps = append(steps, st)
	}
	for ; next < len(i.Manifest.Layers); next++ {
		steps = append(steps, step{Layer: i.Manifest.Layers[next].Digest.String(), Size: i.Manifest.Layers[next].Size})
	}
	return steps
}

func storeCommand() *cli.Command {
	return &cli.Command{
		Name: "store", Usage: "manage the image store",
		Action: func(ctx *cli.Context) error {
			if ctx.NArg() > 0 {
				return cmdline.UsageError(ctx.Command, fmt.Sprintf("unknown subcommand %q", ctx.Args().First()))
			}
			return cli.ShowSubcommandHelp(ctx)
		},
		Subcommands: []*cli.Command{{
			Name: "check", Usage: "check the store for damage",
			Description: "The exit status is 1 if the store is damaged. Garbage, which killed processes leave, is not\ndamage; prune removes it.",
			Flags:       []cli.Flag{formatFlag(), &cli.BoolFlag{Name: "quick", Usage: "do not read the blobs to compare their digests"}},
			Action:      storeCheck,
		}, {Name: "init", Usage: "create the store if it does not exist", Action: initStore}},
	}
}

func storeCheck(ctx *cli.Context) error {
	if err := cmdline.CheckCount(ctx, 0, 0); err != nil {
		return err
	}
	asJSON, err := wantsJSON(ctx)
	if err != nil {
		return err
	}
	s, release, err := owned(ctx)
	if err != nil {
		return err
	}
	defer release()
	r, err := s.Check(ctx.Context, !ctx.Bool("quick"))
	if err != nil {
		return err
	}
	if asJSON {
		err = writeJSON(ctx.App.Writer, r)
	} else {
		termtext.Fprintf(ctx.App.Writer, "%d images, %d blobs, %d unpacked layers, %d containers\n", r.Images, r.Blobs, r.Layers, r.Containers)
		for _, x := range r.Rubbish {
			termtext.Fprintln(ctx.App.Writer, "garbage:", x)
		}
		for _, x := range r.Wrong {
			termtext.Fprintln(ctx.App.Writer, "damaged:", x)
		}
	}
	if err == nil && len(r.Wrong) > 0 {
		err = fmt.Errorf("the image store %s is damaged (%d problems)", s.Dir, len(r.Wrong))
	}
	return err
}
