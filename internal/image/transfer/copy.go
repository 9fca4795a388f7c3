package transfer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// ReadManifest reads a manifest or an index, verifies it, and returns its descriptor with the media
// type and the size filled in.
func ReadManifest(ctx context.Context, from Source, d oci.Descriptor) (oci.Descriptor, []byte, error) {
	ask := d
	if !isManifest(ask.MediaType) { // it decides which endpoint of a registry is used
		ask.MediaType = oci.MediaTypeImageManifest
	}
	text, err := readAll(ctx, from, ask, maxDocument)
	if err != nil {
		return d, nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	d.Size = int64(len(text))
	d, err = completeMediaType(d, text)
	return d, text, err
}

// ReadBlob reads a blob that fits into memory, and verifies it.
func ReadBlob(ctx context.Context, from Source, d oci.Descriptor, limit int64) ([]byte, error) {
	text, err := readAll(ctx, from, d, limit)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return text, nil
}

func readAll(ctx context.Context, from Source, d oci.Descriptor, limit int64) ([]byte, error) {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return nil, err
	}
	if d.Size > limit {
		return nil, fmt.Errorf("too large: %d bytes (the limit is %d)", d.Size, limit)
	}
	content, _, err := from.Open(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	text, err := io.ReadAll(io.LimitReader(content, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > limit:
		return nil, fmt.Errorf("too large (the limit is %d bytes)", limit)
	case digest.FromBytes(text) != d.Digest || d.Size > 0 && d.Size != int64(len(text)):
		return nil, fmt.Errorf("%w: received %d bytes with digest %s", store.ErrDigest, len(text),
			digest.FromBytes(text))
	}
	return text, nil
}

// A Target is a repository that manifests are written to. It also copies manifests with everything
// that they refer to.
type Target struct {
	repository name.Repository
	pusher     *remote.Pusher
	progress   Progress
	slots      chan struct{}
	walk       image.Walk
	copied     map[digest.Digest]bool // digests of blobs
}

// Target logs in to a repository to write to it, and to read the other repositories of its registry
// that blobs are mounted from.
func (r Registries) Target(ctx context.Context, to image.Name, from []Source, jobs int, p Progress) (*Target, error) {
	var more []string
	for _, f := range from {
		if source, ok := f.(*Registry); ok {
			more = append(more, source.repository.Name())
		}
	}
	repository, options, err := r.connectForPush(ctx, to, jobs, more...)
	if err != nil {
		return nil, addHint(err, to.Registry)
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return nil, err
	}
	return &Target{repository: repository, pusher: pusher, progress: p, slots: make(chan struct{}, max(jobs, 1)),
		copied: map[digest.Digest]bool{}}, nil
}

// Put writes a manifest or an index under a tag or its digest.
func (t *Target) Put(ctx context.Context, reference string, d oci.Descriptor, text []byte) error {
	var to name.Reference = t.repository.Tag(reference)
	if digest.Digest(reference) == d.Digest {
		to = t.repository.Digest(reference)
	}
	return addHint(t.pusher.Put(ctx, to, document{d.MediaType, text}), t.repository.RegistryStr())
}

// document implements the library's interface for a manifest or an index.
type document struct {
	mediaType string
	text      []byte
}

func (d document) RawManifest() ([]byte, error)        { return d.text, nil }
func (d document) MediaType() (types.MediaType, error) { return types.MediaType(d.mediaType), nil }

// Copy copies a manifest or an index with everything that it refers to. Blobs from another
// repository of the same registry are mounted, if the registry supports that.
func (t *Target) Copy(ctx context.Context, from Source, d oci.Descriptor) error {
	if r, ok := from.(*Registry); ok && r.repository.Name() == t.repository.Name() {
		return nil
	}
	return t.copyTree(ctx, from, d, 0)
}

func (t *Target) copyTree(ctx context.Context, from Source, d oci.Descriptor, depth int) error {
	if first, err := t.walk.Enter(d.Digest.String(), depth); err != nil || !first {
		return err
	}
	d, text, err := ReadManifest(ctx, from, d)
	if err != nil {
		return err
	}
	var refers struct {
		Manifests []oci.Descriptor `json:"manifests"`
		Config    oci.Descriptor   `json:"config"`
		Layers    []oci.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(text, &refers); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if image.IsIndex(d.MediaType) {
		if err := image.CheckIndex(len(refers.Manifests)); err != nil {
			return fmt.Errorf("index %s: %w", d.Digest, err)
		}
		for _, m := range refers.Manifests {
			if err := t.copyTree(ctx, from, m, depth+1); err != nil {
				return err
			}
		}
		return t.Put(ctx, d.Digest.String(), d, text)
	}
	if err := image.CheckManifest(len(refers.Layers)); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if err := t.copyBlobs(ctx, from, append([]oci.Descriptor{refers.Config}, refers.Layers...)); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return t.Put(ctx, d.Digest.String(), d, text)
}

// copyBlobs copies several blobs concurrently.
func (t *Target) copyBlobs(ctx context.Context, from Source, list []oci.Descriptor) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, d := range list {
		if t.copied[d.Digest] || len(d.URLs) > 0 && !types.MediaType(d.MediaType).IsDistributable() {
			continue // blobs with URLs elsewhere are not pushed
		}
		t.copied[d.Digest] = true
		all.Go(func() {
			t.slots <- struct{}{}
			defer func() { <-t.slots }()
			if err := t.copyBlob(ctx, from, d); err != nil {
				stop(err) // cancels the others
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (t *Target) copyBlob(ctx context.Context, from Source, d oci.Descriptor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	hash, err := v1.NewHash(d.Digest.String())
	if err != nil {
		return err
	}
	more, done := t.progress.Begin(abbreviate(d.Digest.String()), d.Size)
	source := &copiedLayer{ctx: ctx, from: from, desc: d, hash: hash, more: more}
	content, err := partial.CompressedToLayer(source)
	if err == nil {
		if r, ok := from.(*Registry); ok && r.repository.RegistryStr() == t.repository.RegistryStr() {
			content = &remote.MountableLayer{Layer: content, Reference: r.repository.Digest(d.Digest.String())}
		}
		err = addHint(t.pusher.Upload(ctx, t.repository, content), t.repository.RegistryStr())
	}
	if err == nil {
		more(d.Size - source.shown.Load())
	}
	done(err)
	return err
}

// copiedLayer implements the library's layer interface for a blob that is copied. The content is
// verified before its end is reported.
type copiedLayer struct {
	ctx   context.Context
	from  Source
	desc  oci.Descriptor
	hash  v1.Hash
	more  func(int64)
	shown atomic.Int64 // bytes; retransmitted ones count once
}

func (l *copiedLayer) Digest() (v1.Hash, error) { return l.hash, nil }
func (l *copiedLayer) Size() (int64, error)     { return l.desc.Size, nil }
func (l *copiedLayer) MediaType() (types.MediaType, error) {
	return types.MediaType(l.desc.MediaType), nil
}

// Compressed implements partial.CompressedLayer.
func (l *copiedLayer) Compressed() (io.ReadCloser, error) {
	content, _, err := l.from.Open(l.ctx, l.desc, 0)
	if err != nil {
		return nil, &sourceError{fmt.Errorf("blob %s: %w", l.desc.Digest, err)}
	}
	return &verifying{ReadCloser: content, of: l, verifier: l.desc.Digest.Verifier()}, nil
}

// verifying reads a blob and returns an error instead of io.EOF if the content does not match its
// descriptor.
type verifying struct {
	io.ReadCloser
	of       *copiedLayer
	verifier digest.Verifier
	read     int64
}

// Read implements io.Reader.
func (v *verifying) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	_, _ = v.verifier.Write(p[:n])
	v.read += int64(n)
	size := v.of.desc.Size
	if shown, now := v.of.shown.Load(), min(v.read, size); now > shown && v.of.shown.CompareAndSwap(shown, now) {
		v.of.more(now - shown)
	}
	switch {
	case v.read > size, v.read == size && !v.verifier.Verified(), v.read < size && err == io.EOF:
		return n, &sourceError{fmt.Errorf("blob %s: %w", v.of.desc.Digest, store.ErrDigest)}
	case err != nil && err != io.EOF:
		return n, &sourceError{fmt.Errorf("blob %s: %w", v.of.desc.Digest, err)}
	}
	return n, err
}

// sourceError is an error from the source of a copy. It hides its cause, so that a broken
// connection to the source does not restart the upload, which uses another connection.
type sourceError struct{ cause error }

func (e *sourceError) Error() string { return e.cause.Error() }
