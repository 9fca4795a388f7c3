package solver

import (
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/retry"
)

// stepState holds the progress of one step.
type stepState struct {
	node       *graph.Node
	id         int
	parent     *snapshot
	begun      time.Time
	requestKey digest.Digest // the first key
	recipe     recipe
	sources    *sources // of a COPY, if its files were read
	hitReason  string
}

// solveStep builds a layer, or finds it in the cache.
func (g *graphSolver) solveStep(ctx context.Context, n *graph.Node) (*snapshot, error) {
	m := &stepState{node: n, parent: g.snapshotOf(n.Parent), begun: time.Now()}
	m.id = g.beginStep(n)
	r, cached, err := g.findOrBuild(retry.WithLines(ctx, func(p []byte) { g.shared.Sink.Output(m.id, p) }), m)
	var fetched []Fetched
	if m.sources != nil {
		for _, p := range m.sources.parts {
			if p.fetched != nil {
				fetched = append(fetched, p.fetched.identity())
			}
		}
		m.sources.close()
	}
	g.shared.Sink.End(m.id, cached, err)
	if err != nil {
		return nil, err
	}
	layer := export.Layer{Dir: filepath.Join(g.layerDir(r.Layer), "fs"), Key: r.layerName()}
	s := Step{
		Cached:  cached,
		Key:     r.Result,
		Took:    time.Since(m.begun),
		Made:    r.Made,
		Layer:   layer.Dir,
		Below:   m.parent.dirs(),
		Fetched: fetched,
	}
	s.Shared = &remotecache.Step{
		Record:    remotecache.Record{Keys: r.Keys, Result: r.Result, Text: n.Text},
		Made:      layer,
		Unfetched: r.imported,
	}
	if s.Reason = m.hitReason; !cached {
		s.Reason, s.Changed = g.explainMiss(n, m.recipe)
	}
	g.recordRecipe(n, m.recipe)
	g.recordStep(n, s)
	out := &snapshot{
		result: m.resultOf(r),
		layers: append(slices.Clone(m.parent.layers), layer),
		lazy:   slices.Clone(m.parent.lazy),
	}
	if r.imported != nil {
		out.lazy = append(out.lazy, g.newLazyLayer(m, r, layer))
	}
	return out, nil
}

// resultOf identifies the file system after a step: the step's own result, or, if its layer does
// not depend on the layers below, that layer combined with them.
func (m *stepState) resultOf(r *Record) digest.Digest {
	if op, ok := m.node.Op.(*graph.Copy); ok && op.Link {
		return recipe{{Kind: parentKind, Value: m.parent.result.String()}, {Kind: linkedKind, Value: r.Result.String()}}.key()
	}
	return r.Result
}

// findOrBuild looks up the first key in the cache, then the second, and then builds the layer.
// Two builds that need the same layer do not build it twice.
func (g *graphSolver) findOrBuild(ctx context.Context, m *stepState) (r *Record, cached bool, err error) {
	m.recipe = requestRecipe(
		m.node, m.parent.result, g.shared.Epoch, func(n *graph.Node) digest.Digest { return g.snapshotOf(n).result },
	)
	m.requestKey = m.recipe.key()
	rebuild := g.ignoresCache(m.node)
	if !rebuild && !readsOutside(m.node) {
		if r, err := g.lookUp(m, m.requestKey); r != nil || err != nil {
			m.hitReason = hitUnchanged
			if r != nil && len(r.Files) > 0 {
				m.recipe = m.recipe.withContent(r.Files)
			}
			return r, true, err
		}
	}
	select {
	case g.shared.jobs <- struct{}{}:
		defer func() { <-g.shared.jobs }()
	case <-ctx.Done():
		return nil, false, context.Cause(ctx)
	}
	files, err := g.contentRecipe(ctx, m)
	if err != nil {
		return nil, false, err
	}
	m.recipe = m.recipe.withContent(files)
	key := m.recipe.key()
	lock, err := g.shared.Store.LockObject(ctx, "step-"+key.Encoded())
	if err != nil {
		return nil, false, err
	}
	defer lock.Unlock()
	if rebuild {
		r = g.builtByThisCommand(key)
	} else if r, err = g.lookUp(m, key); err != nil {
		return nil, false, err
	}
	if m.hitReason = hitSameFiles; !readsOutside(m.node) {
		m.hitReason = hitRebuiltFiles
	}
	if cached = r != nil; !cached {
		if r, err = g.buildLayer(ctx, m, key); err != nil {
			return nil, false, err
		}
	}
	r.Keys = g.keysOf(m, key)
	if m.requestKey != key && !readsOutside(m.node) && r.imported == nil {
		also := *r
		also.Key, also.Files = m.requestKey, files
		err = g.cache.write(&also)
	}
	return r, cached, err
}

// lookUp looks for a record in this store, then in the others.
func (g *graphSolver) lookUp(m *stepState, key digest.Digest) (*Record, error) {
	r, err := g.cache.read(key)
	if r == nil && err == nil {
		r = g.lookUpImport(m, key)
	}
	if r != nil && r.Keys == nil {
		r.Keys = []digest.Digest{key}
	}
	return r, err
}

// keysOf returns the keys that may find a step.
func (g *graphSolver) keysOf(m *stepState, contentKey digest.Digest) []digest.Digest {
	if m.requestKey == contentKey || readsOutside(m.node) {
		return []digest.Digest{contentKey}
	}
	return []digest.Digest{m.requestKey, contentKey}
}

// ignoresCache reports whether a step must not use the cache.
func (g *graphSolver) ignoresCache(n *graph.Node) bool {
	label := "" // for a context that is copied for a mount
	if n.Stage != nil {
		label = n.Stage.Label()
	}
	return g.shared.NoCache != nil && g.shared.NoCache(label)
}

// contentRecipe computes the content of the inputs, which replaces the steps that produced them in
// the second recipe.
func (g *graphSolver) contentRecipe(ctx context.Context, m *stepState) (recipe, error) {
	switch op := m.node.Op.(type) {
	case *graph.Run:
		return g.mountRecipe(ctx, m.node, op)
	case *graph.Copy:
		opened, err := g.selectSources(ctx, m.node, op)
		if err != nil {
			return nil, err
		}
		m.sources = opened
		content, err := m.sources.digest(ctx)
		if err != nil {
			return nil, err
		}
		return recipe{{Kind: filesKind, Value: content.String()}}, g.saveFileList(content, m.sources.selections())
	}
	return nil, nil
}
