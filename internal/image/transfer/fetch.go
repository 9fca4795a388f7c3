// Package transfer copies images into the store and out of it.
//
//	fetch.go     from a source into the store: the same code for all sources
//	registry.go  sources: a registry, its mirrors
//	correct.go   converts registries' answers that deviate from the specification
//	referrers.go manifests that refer to a manifest
//	kind.go      refuses documents that are both a manifest and an index
//	archive.go   sources: an OCI directory, a tar archive of one
//	docker.go    sources: an archive of `docker save`
//	foreign.go   blobs in a descriptor, or at its URLs
//	push.go      to a registry
//	copy.go      from one repository to another
//	save.go      to an archive that Docker and OCI tools read, or to a directory
//	tarball.go   a root file system → an image
package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/platforms"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// A Source provides an image's documents and blobs.
type Source interface {
	// Open opens a blob, manifest or index at an offset. A source that can only start at the
	// beginning returns from = 0.
	Open(ctx context.Context, d oci.Descriptor, offset int64) (content io.ReadCloser, from int64, err error)
}

// A Progress receives the progress of tasks. Its methods are called concurrently.
type Progress interface {
	// Begin announces a task and its size in bytes. The returned functions are called for progress,
	// with the number of further bytes, and at the end.
	Begin(what string, size int64) (more func(int64), done func(error))
}

// Count reports how many bytes of a task are done. It is called concurrently.
type Count func(task string, done, total int64)

// Begin implements [Progress].
func (c Count) Begin(task string, size int64) (more func(int64), done func(error)) {
	var copied atomic.Int64
	c(task, 0, size)
	more = func(n int64) {
		if n != 0 {
			c(task, copied.Add(n), size)
		}
	}
	return more, func(err error) {
		if err == nil && copied.Load() < size {
			c(task, size, size)
		}
	}
}

// Options select which parts of an image are fetched.
type Options struct {
	Platform string // os/architecture[/variant]; "" for this machine's
	All      bool   // all platforms of an index
	Index    bool   // return the index, although only one of its platforms is fetched
	Jobs     int    // number of concurrent blobs
}

// maxDocument limits the size of a manifest, an index or a configuration, as in Docker.
const maxDocument = 4 << 20

// Fetch copies what a descriptor refers to into the store. It returns the descriptor that a name
// should refer to: the manifest of the platform, or the index if All or Index is set. The caller
// must hold the store's lock shared.
func Fetch(ctx context.Context, s *store.Store, from Source, d oci.Descriptor, o Options, p Progress) (oci.Descriptor,
	error) {
	f := &fetcher{store: s, from: from, options: o, progress: p, begun: map[string]bool{}}
	return f.fetchTree(ctx, d, 0)
}

type fetcher struct {
	store    *store.Store
	from     Source
	options  Options
	progress Progress
	begun    map[string]bool // digests, since several layers may share a blob
	walk     image.Walk
}

// fetchTree fetches a document, nested in depth indexes, and everything that it refers to.
func (f *fetcher) fetchTree(ctx context.Context, d oci.Descriptor, depth int) (oci.Descriptor, error) {
	if first, err := f.walk.Enter(d.Digest.String(), depth); err != nil || !first {
		return d, err
	}
	data, err := f.fetchDocument(ctx, d)
	if err != nil {
		return d, err
	}
	if d, err = completeMediaType(d, data); err != nil {
		return d, err
	}
	if !image.IsIndex(d.MediaType) {
		return d, f.fetchImage(ctx, d, data)
	}
	return f.fetchIndex(ctx, d, data, depth)
}

// completeMediaType checks whether a document is a manifest or an index, and returns its descriptor with the
// media type filled in.
func completeMediaType(d oci.Descriptor, document []byte) (oci.Descriptor, error) {
	var fields struct {
		MediaType string            `json:"mediaType"`
		Manifests []oci.Descriptor  `json:"manifests"`
		Schema    int               `json:"schemaVersion"`
		FSLayers  []json.RawMessage `json:"fsLayers"`
	}
	if err := json.Unmarshal(document, &fields); err != nil {
		return d, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if fields.Schema == 1 || fields.FSLayers != nil {
		return d, fmt.Errorf("manifest %s has schema 1 (Docker before 2016), which is not supported\nhint: push the "+
			"image again with a newer tool", d.Digest)
	}
	if err := checkKind(d, document); err != nil {
		return d, err
	}
	if d.MediaType == "" {
		d.MediaType = fields.MediaType
	}
	if d.MediaType == "" {
		d.MediaType = oci.MediaTypeImageManifest
		if fields.Manifests != nil {
			d.MediaType = oci.MediaTypeImageIndex
		}
	}
	return d, nil
}

func (f *fetcher) fetchIndex(ctx context.Context, d oci.Descriptor, data []byte, depth int) (oci.Descriptor, error) {
	var index oci.Index
	if err := json.Unmarshal(data, &index); err != nil {
		return d, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	if err := image.CheckIndex(len(index.Manifests)); err != nil {
		return d, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	if !f.options.All {
		m, err := f.choosePlatform(index.Manifests)
		if err != nil {
			return d, fmt.Errorf("index %s: %w", d.Digest, err)
		}
		m.Annotations = nil
		one, err := f.fetchTree(ctx, m, depth+1)
		if f.options.Index {
			return d, err
		}
		return one, err
	}
	for _, m := range index.Manifests {
		if _, err := f.fetchTree(ctx, m, depth+1); err != nil {
			return d, err
		}
	}
	return d, nil
}

// choosePlatform selects the best match for the platform.
func (f *fetcher) choosePlatform(list []oci.Descriptor) (oci.Descriptor, error) {
	want := platforms.DefaultSpec()
	want.OS = "linux"
	if f.options.Platform != "" {
		var err error
		if want, err = platforms.Parse(f.options.Platform); err != nil {
			return oci.Descriptor{}, fmt.Errorf("--platform %s: %w", f.options.Platform, err)
		}
	}
	order := platforms.Only(want)
	best := -1
	var have []string
	for n, m := range list {
		if m.Platform == nil {
			if len(list) == 1 {
				return m, nil
			}
			continue
		}
		if m.Platform.OS != "unknown" { // attestations of an image are not images
			have = append(have, platforms.Format(*m.Platform))
		}
		if order.Match(*m.Platform) && (best < 0 || order.Less(*m.Platform, *list[best].Platform)) {
			best = n
		}
	}
	if best < 0 {
		return oci.Descriptor{}, fmt.Errorf("no image for %s (available: %s)\nhint: choose a platform with --platform",
			platforms.Format(want), strings.Join(have, ", "))
	}
	return list[best], nil
}

// fetchImage fetches a manifest's configuration and layers, several at a time.
func (f *fetcher) fetchImage(ctx context.Context, d oci.Descriptor, data []byte) error {
	var m oci.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if m.Config.Digest == "" {
		return fmt.Errorf("manifest %s has no configuration", d.Digest)
	}
	if err := image.CheckManifest(len(m.Layers)); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	blobs := append([]oci.Descriptor{m.Config}, m.Layers...)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	slots := make(chan struct{}, max(f.options.Jobs, 1))
	errs := make(chan error, len(blobs))
	var all sync.WaitGroup
	for _, b := range blobs {
		if f.begun[b.Digest.String()] {
			continue
		}
		f.begun[b.Digest.String()] = true
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := f.fetchBlob(ctx, b); err != nil {
				stop() // cancels the others
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	var first error
	for err := range errs {
		if first == nil || errors.Is(first, context.Canceled) {
			first = err
		}
	}
	if first != nil {
		return first
	}
	return f.checkConfig(m.Config)
}

// checkConfig refuses an image whose configuration cannot be read. The image would be of no use in
// the store, whose listings read the configurations.
func (f *fetcher) checkConfig(d oci.Descriptor) error {
	if d.MediaType != oci.MediaTypeImageConfig && d.MediaType != "application/vnd.docker.container.image.v1+json" {
		return nil
	}
	text, err := f.store.ReadDocument(d)
	if err == nil {
		err = json.Unmarshal(text, &docker.DockerOCIImage{})
	}
	if err != nil {
		return fmt.Errorf("configuration %s: %w", d.Digest, err)
	}
	return nil
}

func (f *fetcher) fetchBlob(ctx context.Context, d oci.Descriptor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	more, done := f.progress.Begin(abbreviate(d.Digest.String()), d.Size)
	err := f.store.PutBlob(ctx, d, func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
		return f.open(ctx, d, offset)
	}, more)
	done(err)
	return err
}

// abbreviate abbreviates a digest for display.
func abbreviate(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(len(hex), 12)]
}

// fetchDocument fetches a manifest or an index, verifies it and stores it.
func (f *fetcher) fetchDocument(ctx context.Context, d oci.Descriptor) ([]byte, error) {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return nil, err
	}
	if d.Size > maxDocument {
		return nil, fmt.Errorf("manifest %s is too large: %d bytes (the limit is %d)", d.Digest, d.Size, maxDocument)
	}
	err := f.store.PutBlob(ctx, d, func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
		return f.open(ctx, d, offset)
	}, func(int64) {})
	if err != nil {
		return nil, err
	}
	return f.store.ReadDocument(d)
}
