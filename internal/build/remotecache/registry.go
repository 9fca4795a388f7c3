package remotecache

import (
	"context"
	"errors"
	"io"
	"os"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// openRegistry finds a cache, or an image with an inline cache, in a registry, or in the store
// if the image was loaded from an archive.
func (s *Set) openRegistry(ctx context.Context, f From) (transfer.Source, oci.Descriptor, error) {
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	blobs, d, err := registries.Find(ctx, f.Ref, s.warn)
	if err == nil {
		return blobs, d, nil
	}
	if d, _, missing := s.store.FindImage(f.Ref.String()); missing == nil {
		return storeSource{s.store}, d, nil
	}
	return nil, d, err
}

// storeSource reads the blobs of the store itself.
type storeSource struct{ *store.Store }

// Open implements transfer.Source.
func (s storeSource) Open(_ context.Context, d oci.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	f, err := os.Open(s.Blob(d.Digest.String()))
	if err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, offset, nil
}
