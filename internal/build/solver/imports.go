package solver

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/retry"
)

// This file handles records from other stores. They are looked up by the same keys as the
// store's own, after those. A step that is found this way is cached but its layer is absent.
// The layer is fetched when a step that runs is based on it, when a COPY reads from it, or
// when it is part of the result. So for a stage whose only COPY is cached, only the record is
// read.
//
// If an imported layer cannot be fetched as promised, it cannot be rebuilt in place:
// the steps based on it were found by its result, and a rebuilt layer would have a different
// one. So the build starts again without that record. The layers that it has built so far are in the
// store's cache.

// Imports provides the records of other stores (package remotecache).
type Imports interface {
	Find(key digest.Digest) *remotecache.Record // nil: not found
	Fetch(ctx context.Context, r *remotecache.Record, more func(int64)) error
	Forget(r *remotecache.Record, why error) // removes the record from later lookups
}

const fetchesAtOnce = 3

// A lazyLayer exists only in another store until it is fetched.
type lazyLayer struct {
	node   *graph.Node
	title  string
	record Record          // the record once it is here
	keys   []digest.Digest // the keys that found it; the record's other keys have not been verified here
	layer  export.Layer
	below  []string

	id       int // its own number in the progress
	came     sync.Once
	unpacked sync.Once
	here     bool
	err      error
}

// An importError is the error of a layer that could not be imported.
type importError struct {
	record *remotecache.Record
	err    error
}

func (u *importError) Error() string {
	return fmt.Sprintf("cannot import the layer of %s: %v", u.record.Text, u.err)
}

func (u *importError) Unwrap() error { return u.err }

// Is makes the steps that it stopped appear as cancelled, since they start again.
func (u *importError) Is(err error) bool { return err == context.Canceled }

// lookUpImport looks for a step in other stores.
func (g *graphSolver) lookUpImport(m *stepState, key digest.Digest) *Record {
	if g.shared.Imports == nil {
		return nil
	}
	found := g.shared.Imports.Find(key)
	if found == nil {
		return nil
	}
	name := importedLayerName(found.DiffID, g.layersBelow(m))
	return &Record{
		Key: key, Keys: found.Keys, Result: found.Result, Chain: name, Layer: name.Encoded()[:32],
		Text: m.node.Text, Made: time.Now().UTC(), imported: found,
	}
}

// layersBelow returns the layers that a step's own layer depends on.
func (g *graphSolver) layersBelow(m *stepState) []export.Layer {
	if op, ok := m.node.Op.(*graph.Copy); ok && op.Link {
		return nil
	}
	return m.parent.layers
}

// importedLayerName names an imported layer by its content and by what it is unpacked on. It does not use
// the result recorded by the other store, which could belong to a different layer.
func importedLayerName(diffID digest.Digest, below []export.Layer) digest.Digest {
	var keys []string
	for _, l := range below {
		keys = append(keys, l.Key.String())
	}
	return recipe{{Kind: layerKind, Value: diffID.String()}, {Kind: belowKind, Value: strings.Join(keys, "\x00")}}.key()
}

// newLazyLayer creates the placeholder for the layer of a step that was found in another store.
func (g *graphSolver) newLazyLayer(m *stepState, r *Record, layer export.Layer) *lazyLayer {
	a := &lazyLayer{node: m.node, title: g.stepTitle(m.node), record: *r, keys: []digest.Digest{r.Key}, layer: layer}
	if r.Key != m.requestKey && !readsOutside(m.node) {
		a.keys = append(a.keys, m.requestKey)
	}
	for _, l := range g.layersBelow(m) {
		a.below = append(a.below, l.Dir)
	}
	return a
}

// fetchLayers makes sure that all layers of a file system are in the store.
func (g *graphSolver) fetchLayers(ctx context.Context, s *snapshot) error {
	var wait sync.WaitGroup
	for _, a := range s.lazy {
		wait.Go(func() { a.came.Do(func() { g.fetchLayer(ctx, a) }) })
	}
	wait.Wait()
	for _, a := range s.lazy { // lowest first: a layer is unpacked on the ones below it
		a.unpacked.Do(func() { g.unpackLayer(ctx, a) })
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

// fetchLayer downloads the blob, unless the layer unpacked from it already exists.
func (g *graphSolver) fetchLayer(ctx context.Context, a *lazyLayer) {
	if _, err := os.Lstat(a.layer.Dir); err == nil {
		return
	}
	g.shared.fetches <- struct{}{}
	defer func() { <-g.shared.fetches }()
	a.id = g.nextNumber()
	g.shared.Sink.Begin(a.id, "importing layer of "+a.title)
	desc := a.record.imported.Layer
	var mutex sync.Mutex
	var done int64
	lines := retry.WithLines(ctx, func(p []byte) { g.shared.Sink.Output(a.id, p) })
	err := g.shared.Imports.Fetch(lines, a.record.imported, func(n int64) {
		mutex.Lock()
		defer mutex.Unlock()
		done += n
		g.shared.Sink.Count(a.id, desc.Digest.Encoded()[:12], done, desc.Size)
	})
	g.recordFailure(ctx, a, err)
}

// recordFailure records why a layer is unusable, if it is.
func (g *graphSolver) recordFailure(ctx context.Context, a *lazyLayer, err error) {
	if err == nil {
		return
	}
	if a.err = context.Cause(ctx); a.err == nil {
		a.err = &importError{a.record.imported, err}
	}
	if a.id != 0 {
		g.shared.Sink.End(a.id, false, a.err)
	}
}

// unpackLayer creates the layer's directory and writes its record. From then on the layer is
// treated as if it had been built here.
func (g *graphSolver) unpackLayer(ctx context.Context, a *lazyLayer) {
	if a.err != nil {
		return
	}
	from := a.record.imported
	l := store.Layer{Chain: a.layer.Key, DiffID: from.DiffID, Blob: from.Layer.Digest}
	err := g.shared.Store.UnpackLayer(
		ctx, l, a.below, func(string, int64) (func(int64), func(error)) { return func(int64) {}, func(error) {} },
	)
	if err == nil && g.shared.Store.Has(from.Layer.Digest) {
		packed := a.layer
		packed.Desc, packed.DiffID = *from.Layer, from.DiffID
		err = packed.RecordBlob(g.shared.Store)
	}
	for _, key := range a.keys {
		if err == nil {
			r := a.record
			r.Key = key
			err = g.cache.write(&r)
		}
	}
	if err != nil {
		g.recordFailure(ctx, a, err)
		return
	}
	if a.id != 0 {
		g.shared.Sink.End(a.id, false, nil)
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	a.here = true
	g.steps[a.node.ID].Shared.Unfetched = nil
}

// omitUnfetched removes from the reported steps the layers that were not fetched, and those on
// top of them: there are no files to inspect.
func (g *graphSolver) omitUnfetched() {
	for n, s := range g.results {
		step, ok := g.steps[n.ID]
		if ok && slices.ContainsFunc(s.lazy, func(a *lazyLayer) bool { return !a.here }) {
			step.Layer = ""
			g.steps[n.ID] = step
		}
	}
}
