package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/retry"
)

// Push writes an image, or all images of an index, to a registry under a name. Blobs that the
// registry already has are not sent again.
func (r Registries) Push(ctx context.Context, s *store.Store, i *store.Image, to image.Name, jobs int,
	p Progress) error {
	if to.Tag == "" {
		return fmt.Errorf("push %s: the name has no tag", to)
	}
	if err := checkComplete(s, i); err != nil {
		return fmt.Errorf("push %s: %w", to, err)
	}
	repository, options, err := r.connectForPush(ctx, to, jobs)
	if err != nil {
		return fmt.Errorf("push %s: %w", to, addHint(err, to.Registry))
	}
	content, err := openTaggable(layout.Path(s.Dir), i.Target)
	if err != nil {
		return err
	}
	updates := make(chan v1.Update, 100)
	options = append(options, remote.WithProgress(updates))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		forwardUpdates(updates, to.Familiar(), p)
	}()
	err = remote.Push(repository.Tag(to.Tag), content, options...) // closes updates
	if err != nil {
		err = fmt.Errorf("push %s: %w", to, addHint(err, to.Registry))
	}
	<-ended
	return err
}

// connectForPush logs in to a repository to write to it, and to read other repositories of its registry.
// It returns the library's options.
func (r Registries) connectForPush(ctx context.Context, to image.Name, jobs int, mounted ...string) (name.Repository,
	[]remote.Option, error) {
	repository, trip, err := r.connect(ctx, to.Registry, to.Repository, transport.PushScope, mounted...)
	return repository, []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(trip), remote.WithJobs(max(jobs, 1)),
		// The library does not cancel its own wait with the context, so the predicate waits.
		remote.WithRetryBackoff(remote.Backoff{Steps: retry.Default.Tries}),
		remote.WithRetryPredicate(func(err error) bool { return restartsUpload(ctx, repository.RegistryStr(), err) }),
	}, err
}

// restartsUpload waits and returns true after an error that allows the upload of a blob or
// manifest to be restarted. The transport only retries single requests.
func restartsUpload(ctx context.Context, server string, err error) bool {
	var answered *transport.Error
	var sent *url.Error
	cause := ""
	switch {
	case errors.As(err, &answered):
		lost := slices.ContainsFunc(answered.Errors, func(d transport.Diagnostic) bool {
			return d.Code == transport.BlobUploadUnknownErrorCode || d.Code == transport.BlobUploadInvalidErrorCode
		})
		if lost || retry.TemporaryStatus(answered.StatusCode) && answered.Request != nil &&
			!isRepeatable(answered.Request) {
			cause = fmt.Sprintf("upload: %d %s", answered.StatusCode, http.StatusText(answered.StatusCode))
		}
	case errors.As(err, &sent) && sent.Op != "Get" && sent.Op != "Head" && retry.IsCut(err):
		cause = "upload: the connection was closed"
	}
	return cause != "" && retry.Default.Pause(ctx, server, cause)
}

// checkComplete refuses an index if only some of its platforms' images were fetched, because a registry
// rejects an index whose manifests it does not have.
func checkComplete(s *store.Store, i *store.Image) error {
	if !image.IsIndex(i.Target.MediaType) {
		return nil
	}
	text, err := s.ReadDocument(i.Target)
	if err != nil {
		return err
	}
	var index oci.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return fmt.Errorf("index %s: %w", i.Target.Digest, err)
	}
	for _, m := range index.Manifests {
		if s.Has(m.Digest) {
			continue
		}
		what := m.Digest.String()
		if m.Platform != nil {
			what = platforms.Format(*m.Platform)
		}
		return fmt.Errorf("the image for %s in its index was not pulled\nhint: minirun pull --all-platforms %s", what,
			i.Name)
	}
	return nil
}

// openTaggable converts an image or index in the store to the library's type.
func openTaggable(dir layout.Path, d oci.Descriptor) (remote.Taggable, error) {
	hash, err := v1.NewHash(d.Digest.String())
	if err != nil {
		return nil, err
	}
	if !image.IsIndex(d.MediaType) {
		return dir.Image(hash)
	}
	index, err := dir.ImageIndex()
	if err != nil {
		return nil, err
	}
	return index.ImageIndex(hash)
}

// An Artifact is a manifest and its blobs, which are not in the store.
type Artifact struct {
	MediaType string // of the manifest
	Manifest  []byte
	Config    []byte
	Layers    []oci.Descriptor
	Open      func(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) // opens a layer; called only if needed
}

// PushArtifact writes an artifact to a registry.
func (r Registries) PushArtifact(ctx context.Context, a Artifact, to image.Name, jobs int) error {
	repository, options, err := r.connectForPush(ctx, to, jobs)
	if err == nil {
		var i v1.Image
		if i, err = partial.CompressedToImage(artifact{ctx, a}); err == nil {
			err = remote.Write(repository.Tag(to.Tag), i, options...)
		}
	}
	if err != nil {
		return fmt.Errorf("push %s: %w", to, addHint(err, to.Registry))
	}
	return nil
}

// artifact implements the library's image interface.
type artifact struct {
	ctx context.Context
	Artifact
}

func (a artifact) RawConfigFile() ([]byte, error) { return a.Config, nil }
func (a artifact) RawManifest() ([]byte, error)   { return a.Manifest, nil }
func (a artifact) MediaType() (types.MediaType, error) {
	return types.MediaType(a.Artifact.MediaType), nil
}
func (a artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	for _, d := range a.Layers {
		if d.Digest.String() == h.String() {
			return artifactLayer{a, d, h}, nil
		}
	}
	return nil, fmt.Errorf("%s is not a layer of the artifact", h)
}

type artifactLayer struct {
	of   artifact
	desc oci.Descriptor
	hash v1.Hash
}

func (l artifactLayer) Digest() (v1.Hash, error) { return l.hash, nil }
func (l artifactLayer) Size() (int64, error)     { return l.desc.Size, nil }
func (l artifactLayer) MediaType() (types.MediaType, error) {
	return types.MediaType(l.desc.MediaType), nil
}
func (l artifactLayer) Compressed() (io.ReadCloser, error) { return l.of.Open(l.of.ctx, l.desc) }

// forwardUpdates converts the library's updates to progress.
func forwardUpdates(updates <-chan v1.Update, what string, p Progress) {
	var more func(int64)
	var done func(error)
	var at int64
	var failed error
	for u := range updates {
		if done == nil && u.Total > 0 {
			more, done = p.Begin(what, u.Total)
		}
		if u.Error != nil && !errors.Is(u.Error, context.Canceled) {
			failed = u.Error
		}
		if complete := min(u.Complete, u.Total); more != nil && complete > at { // retransmitted bytes count once
			more(complete - at)
			at = complete
		}
	}
	if done != nil {
		done(failed)
	}
}
