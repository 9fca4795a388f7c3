package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/explain"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
)

// explainBuilt implements build --explain: for each platform, it shows the result of every
// instruction.
func explainBuilt(ctx *cli.Context, built []build.Built, took time.Duration) error {
	how := ctx.String("explain")
	if how == "" {
		return nil
	}
	for _, b := range built {
		r, err := newReport(&b, took)
		if err != nil {
			return fmt.Errorf("--explain: %w", err)
		}
		if err := writeReport(ctx, r, how); err != nil {
			return fmt.Errorf("--explain=%s: %w", how, err)
		}
	}
	return nil
}

// checkExplain checks the format before anything is built.
func checkExplain(how string) error {
	if how == "" || how == "text" || how == "json" || strings.HasSuffix(how, ".svg") || strings.HasSuffix(how, ".html") {
		return nil
	}
	return fmt.Errorf("--explain=%s: must be text, json, or the name of a file that ends with .svg or .html", how)
}

func writeReport(ctx *cli.Context, r *explain.Report, how string) error {
	switch {
	case how == "text":
		return explain.Text(ctx.App.Writer, r, isTerminal(os.Stdout) && os.Getenv("NO_COLOR") == "")
	case how == "json":
		return explain.JSON(ctx.App.Writer, r)
	}
	f, err := atomicfile.Create(how, 0o666)
	if err != nil {
		return err
	}
	if filepath.Ext(how) == ".svg" {
		err = explain.SVG(f, r)
	} else {
		err = explain.HTML(f, r)
	}
	return f.Done(err)
}

// newReport collects the data for the report about a build.
func newReport(b *build.Built, took time.Duration) (*explain.Report, error) {
	r := &explain.Report{Graph: b.Graph, Steps: map[int]explain.Step{}, Config: *b.Graph.Target.Last().Config, Total: took}
	c := r.Config.Config
	argv, err := image.Argv(image.Execution{Entrypoint: c.Entrypoint, Cmd: c.Cmd}, image.Wishes{})
	if err == nil {
		r.Argv = argv
	}
	for _, n := range b.Graph.Needed() {
		s := b.Steps[n.ID]
		out := explain.Step{Needed: true, Cached: s.Cached, Reason: s.Reason, Changed: s.Changed, Key: s.Key.String(), Time: s.Took}
		if s.Layer != "" {
			d, err := layer.Compare(s.Layer, s.Below)
			if err != nil {
				return nil, err
			}
			out.Layer = summarizeLayer(d)
		}
		r.Steps[n.ID] = out
	}
	return r, nil
}

// summarizeLayer selects the largest files.
func summarizeLayer(d *layer.Difference) *explain.LayerInfo {
	files := slices.DeleteFunc(slices.Clone(d.Files), func(c layer.Change) bool { return c.Dir || c.What == "on the way" })
	slices.SortStableFunc(files, func(a, b layer.Change) int { return int(b.Size - a.Size) })
	return &explain.LayerInfo{Added: d.Added, Changed: d.Changed, Removed: d.Removed, Bytes: d.Bytes, Largest: files[:min(5, len(files))]}
}
