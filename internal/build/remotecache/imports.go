package remotecache

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/progress"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
)

// A source is a cache from which records were read.
type source struct {
	name   string
	blobs  transfer.Source
	failed int // layers that could not be fetched, or were not as promised
}

// maxFailures is how many layers of one cache may fail before the whole cache is ignored: each
// failure makes the build start again.
const maxFailures = 3

// A Set holds the records imported for a build. It is safe for concurrent use.
type Set struct {
	store *store.Store

	mutex    sync.Mutex
	records  []*Record // in order of preference
	bad      map[digest.Digest]bool
	warnings []error
}

// Import reads the records of all sources. A source that cannot be read is a warning: the
// build gives the same result without it.
func Import(ctx context.Context, store *store.Store, list []From, sink progress.Sink, firstID int) *Set {
	s := &Set{store: store, bad: map[digest.Digest]bool{}}
	all := make([][]*Record, len(list))
	var wait sync.WaitGroup
	for i, f := range list {
		wait.Go(func() {
			id := firstID + i
			sink.Begin(id, "importing cache from "+f.String())
			records, err := s.readSource(retry.WithLines(ctx, func(p []byte) { sink.Output(id, p) }), f)
			if err != nil {
				err = fmt.Errorf("cannot import --cache-from %s: %w", f, err)
				s.warn(err)
				sink.Output(id, []byte("WARNING: "+err.Error()+"\n"))
			}
			all[i] = records
			sink.End(id, false, nil)
		})
	}
	wait.Wait()
	s.records = slices.Concat(all...)
	return s
}

func (s *Set) readSource(ctx context.Context, f From) ([]*Record, error) {
	from := &source{name: f.String()}
	open := s.openRegistry
	if f.Type == Local {
		open = openLocal
	}
	blobs, d, err := open(ctx, f)
	if err != nil {
		return nil, err
	}
	from.blobs = blobs
	records, err := read(ctx, blobs, d)
	if err != nil {
		return nil, err
	}
	var out []*Record
	for i := range records {
		records[i].source = from
		out = append(out, &records[i])
	}
	return out, nil
}

func (s *Set) warn(err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.warnings = append(s.warnings, err)
}

// Warnings returns what to show the user after the build.
func (s *Set) Warnings() []error { return s.warnings }

// Find returns the record of a key, or nil if there is none.
func (s *Set) Find(key digest.Digest) *Record {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, r := range s.records {
		if slices.Contains(r.Keys, key) {
			return r
		}
	}
	return nil
}

// Fetch downloads the blob of a record's layer into the store, which verifies it.
func (s *Set) Fetch(ctx context.Context, r *Record, progress func(int64)) error {
	return s.store.PutBlob(ctx, *r.Layer, func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
		return r.source.blobs.Open(ctx, *r.Layer, offset)
	}, progress)
}

// Forget removes the record of a layer that could not be fetched, or that was not what the
// record promised.
func (s *Set) Forget(r *Record, err error) {
	s.warn(
		fmt.Errorf(
			"the layer of %q is built again, because --cache-from %s does not provide it: %w", r.Text, r.source.name, err,
		),
	)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.bad[r.Layer.Digest] = true
	r.source.failed++
	all := r.source.failed == maxFailures
	s.records = slices.DeleteFunc(s.records, func(o *Record) bool {
		return o.Layer.Digest == r.Layer.Digest && o.DiffID == r.DiffID || all && o.source == r.source
	})
}

// damaged reports whether a blob with this digest turned out to be corrupt.
func (s *Set) damaged(d digest.Digest) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.bad[d]
}
