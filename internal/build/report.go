package build

import (
	"slices"
	"time"

	"github.com/minirun/minirun/internal/build/explain"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
)

// Report collects the data for build --explain.
func (b *Built) Report(took time.Duration) (*explain.Report, error) {
	r := &explain.Report{Graph: b.Graph, Steps: map[int]explain.Step{}, Config: *b.Graph.Target.Last().Config,
		Total: took}
	c := r.Config.Config
	argv, err := image.Argv(image.Execution{Entrypoint: c.Entrypoint, Cmd: c.Cmd}, image.Wishes{})
	if err == nil {
		r.Argv = argv
	}
	for _, n := range b.Graph.Needed() {
		s := b.Steps[n.ID]
		out := explain.Step{Needed: true, Cached: s.Cached, Reason: s.Reason, Changed: s.Changed, Key: s.Key.String(),
			Time: s.Took}
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
	files := slices.DeleteFunc(slices.Clone(d.Files), func(c layer.Change) bool {
		return c.Dir ||
			c.What == layer.Parent
	})
	slices.SortStableFunc(files, func(a, b layer.Change) int { return int(b.Size - a.Size) })
	return &explain.LayerInfo{Added: d.Added, Changed: d.Changed, Removed: d.Removed, Bytes: d.Bytes,
		Largest: files[:min(5, len(files))]}
}
