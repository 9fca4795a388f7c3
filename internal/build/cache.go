package build

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/build/solver"
	"github.com/minirun/minirun/internal/retry"
)

// Step numbers in the progress, after those of all graphs.
const (
	importID = 1 << 21
	exportID = 1 << 22
)

// importCaches reads the caches of --cache-from.
func (b *Builder) importCaches(ctx context.Context, o *Options, s *solver.Solver) *remotecache.Set {
	imports := remotecache.Import(ctx, b.Store, o.CacheFrom, b.Sink, importID)
	if len(o.CacheFrom) > 0 {
		s.Imports = imports
	}
	return imports
}

// exportedSteps returns the steps to export. It omits contexts that were copied for a mount: every
// machine with the context produces the same copy.
func (b *Built) exportedSteps() []remotecache.Step {
	var out []remotecache.Step
	inResult := b.resultNodes()
	for _, n := range b.Graph.Needed() {
		s := b.Steps[n.ID].Shared
		if s == nil || n.Stage == nil {
			continue
		}
		one := *s
		one.InResult = inResult[n]
		out = append(out, one)
	}
	return out
}

// resultNodes returns the nodes whose layers are in the result: those of the target's stage and of the
// stages that it is based on.
func (b *Built) resultNodes() map[*graph.Node]bool {
	out := map[*graph.Node]bool{}
	for n := b.Graph.Target.Last(); n != nil; {
		out[n] = true
		if from, ok := n.Op.(*graph.From); ok && from.Stage != nil {
			n = from.Stage.Last()
			continue
		}
		n = n.Parent
	}
	return out
}

// inlineCache returns the inline cache of an image.
func (b *Built) inlineCache(layers []export.Layer) (json.RawMessage, error) {
	return remotecache.InlineDocument(b.exportedSteps(), layers)
}

// SaveCaches exports the steps of all platforms to the caches of --cache-to. Inline caches
// were exported with the images.
func (b *Builder) SaveCaches(ctx context.Context, built []Built, list []remotecache.To) error {
	var steps []remotecache.Step
	for _, one := range built {
		steps = append(steps, one.exportedSteps()...)
	}
	for i, t := range list {
		if t.Type == remotecache.Inline {
			continue
		}
		b.Sink.Begin(exportID+i, "exporting cache to "+t.String())
		lines := retry.WithLines(ctx, func(p []byte) { b.Sink.Output(exportID+i, p) })
		warnings, err := built[0].Imports.Save(lines, t, steps)
		b.Sink.End(exportID+i, false, err)
		b.Warnings = append(b.Warnings, warnings...)
		if err == nil {
			continue
		}
		if err = fmt.Errorf("cannot export --cache-to type=%s: %w", t.Type, err); !t.Ignore {
			return err
		}
		b.Warnings = append(b.Warnings, err)
	}
	return nil
}

// HasInline reports whether the images get an inline cache.
func HasInline(list []remotecache.To) bool {
	return slices.ContainsFunc(list, func(t remotecache.To) bool { return t.Type == remotecache.Inline })
}
