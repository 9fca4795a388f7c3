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
// one. So the build starts again without that record. What it has built so far is in the
// store's cache.

// Imports provides the records of other stores (package remotecache).
type Imports interface {
	Find(key digest.Digest) *remotecache.Record // nil: not found
	Fetch(ctx context.Context, r *remotecache.Record, more func(int64)) error
	Forget(r *remotecache.Record, why error) // removes the record from later lookups
}

const fetchesAtOnce = 3

// An absent layer exists only in another store until it is fetched.
type absent struct {
	n      *graph.Node
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

// unusable is the error of a layer that could not be imported.
type unusable struct {
	record *remotecache.Record
	err    error
}

func (u *unusable) Error() string {
	return fmt.Sprintf("import the layer of %s: %v", u.record.Text, u.err)
}

func (u *unusable) Unwrap() error { return u.err }

// Is makes the steps that it stopped appear as cancelled, since they start again.
func (u *unusable) Is(err error) bool { return err == context.Canceled }

// imported looks for a step in other stores.
func (v *solving) imported(m *making, key digest.Digest) *Record {
	if v.Imports == nil {
		return nil
	}
	found := v.Imports.Find(key)
	if found == nil {
		return nil
	}
	name := nameOf(found.DiffID, v.below(m))
	return &Record{
		Key: key, Keys: found.Keys, Result: found.Result, Chain: name, Layer: name.Encoded()[:32],
		Text: m.n.Text, Made: time.Now().UTC(), away: found,
	}
}

// below returns the layers that a step's own layer depends on.
func (v *solving) below(m *making) []export.Layer {
	if op, ok := m.n.Op.(*graph.Copy); ok && op.Link {
		return nil
	}
	return m.parent.layers
}

// nameOf names an imported layer by its content and by what it is unpacked on. It does not use
// the result recorded by the other store, which could belong to a different layer.
func nameOf(diffID digest.Digest, below []export.Layer) digest.Digest {
	var keys []string
	for _, l := range below {
		keys = append(keys, l.Key.String())
	}
	return recipe{{"imported layer", diffID.String()}, {"layers below", strings.Join(keys, "\x00")}}.key()
}

// absent creates the placeholder for the layer of a step that was found in another store.
func (v *solving) absent(m *making, r *Record, layer export.Layer) *absent {
	a := &absent{n: m.n, title: v.title(m.n), record: *r, keys: []digest.Digest{r.Key}, layer: layer}
	if r.Key != m.asked && !v.mustLook(m.n) {
		a.keys = append(a.keys, m.asked)
	}
	for _, l := range v.below(m) {
		a.below = append(a.below, l.Dir)
	}
	return a
}

// need makes sure that all layers of a file system are in the store.
func (v *solving) need(ctx context.Context, s *state) error {
	var wait sync.WaitGroup
	for _, a := range s.absent {
		wait.Go(func() { a.came.Do(func() { v.fetchLayer(ctx, a) }) })
	}
	wait.Wait()
	for _, a := range s.absent { // lowest first: a layer is unpacked on the ones below it
		a.unpacked.Do(func() { v.unpack(ctx, a) })
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

// fetchLayer downloads the blob, unless the layer unpacked from it already exists.
func (v *solving) fetchLayer(ctx context.Context, a *absent) {
	if _, err := os.Lstat(a.layer.Dir); err == nil {
		return
	}
	v.fetches <- struct{}{}
	defer func() { <-v.fetches }()
	a.id = v.number()
	v.Sink.Begin(a.id, "importing layer of "+a.title)
	desc := a.record.away.Layer
	var mutex sync.Mutex
	var done int64
	lines := retry.WithLines(ctx, func(p []byte) { v.Sink.Output(a.id, p) })
	err := v.Imports.Fetch(lines, a.record.away, func(n int64) {
		mutex.Lock()
		defer mutex.Unlock()
		done += n
		v.Sink.Count(a.id, desc.Digest.Encoded()[:12], done, desc.Size)
	})
	v.failed(ctx, a, err)
}

// failed records why a layer is unusable, if it is.
func (v *solving) failed(ctx context.Context, a *absent, err error) {
	if err == nil {
		return
	}
	if a.err = context.Cause(ctx); a.err == nil {
		a.err = &unusable{a.record.away, err}
	}
	if a.id != 0 {
		v.Sink.End(a.id, false, a.err)
	}
}

// unpack creates the layer's directory and writes its record. From then on the layer is
// treated as if it had been built here.
func (v *solving) unpack(ctx context.Context, a *absent) {
	if a.err != nil {
		return
	}
	from := a.record.away
	l := store.Layer{Chain: a.layer.Key, DiffID: from.DiffID, Blob: from.Layer.Digest}
	err := v.Store.UnpackLayer(ctx, l, a.below, func(string, int64) (func(int64), func(error)) { return func(int64) {}, func(error) {} })
	if err == nil && v.Store.Has(from.Layer.Digest) {
		packed := a.layer
		packed.Desc, packed.DiffID = *from.Layer, from.DiffID
		err = packed.RecordBlob(v.Store)
	}
	for _, key := range a.keys {
		if err == nil {
			r := a.record
			r.Key = key
			err = v.put(&r)
		}
	}
	if err != nil {
		v.failed(ctx, a, err)
		return
	}
	if a.id != 0 {
		v.Sink.End(a.id, false, nil)
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	a.here = true
	v.steps[a.n.ID].Shared.Away = nil
}

// withoutAbsent removes from the reported steps the layers that were not fetched, and those on
// top of them: there are no files to inspect.
func (v *solving) withoutAbsent() {
	for n, s := range v.results {
		step, ok := v.steps[n.ID]
		if ok && slices.ContainsFunc(s.absent, func(a *absent) bool { return !a.here }) {
			step.Layer = ""
			v.steps[n.ID] = step
		}
	}
}
