package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
)

// ErrDigest is the cause when the received content does not match its digest.
var ErrDigest = errors.New("the content does not match its digest")

// An Opener opens a blob at an offset. If it can only start at the beginning, it returns from = 0.
type Opener func(ctx context.Context, offset int64) (content io.ReadCloser, from int64, err error)

// Has reports whether the store has a blob.
func (s *Store) Has(d digest.Digest) bool {
	_, err := os.Lstat(s.Blob(d.String()))
	return err == nil
}

// PutBlob fetches a blob that the store does not have yet. The bytes received by an interrupted
// attempt are kept and not fetched again. It calls progress with the number of new bytes. The
// caller must hold the store's lock shared.
func (s *Store) PutBlob(ctx context.Context, d oci.Descriptor, open Opener, progress func(int64)) error {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return err
	}
	if s.Has(d.Digest) {
		progress(d.Size)
		return nil
	}
	lock, err := s.LockObject(ctx, d.Digest.Encoded())
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if s.Has(d.Digest) { // another process fetched it first
		progress(d.Size)
		return nil
	}
	partial := filepath.Join(s.Dir, "tmp", "blob-"+d.Digest.Encoded())
	f, err := os.OpenFile(partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := fetch(ctx, f, d, open, progress); err != nil {
		if errors.Is(err, ErrDigest) { // the partial content is of no use to the next attempt
			err = errors.Join(err, os.Remove(partial))
		}
		return fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(partial, s.Blob(d.Digest.String())); err != nil {
		return err
	}
	return syncDir(filepath.Join(s.Dir, "blobs", "sha256"))
}

func fetch(ctx context.Context, f *os.File, d oci.Descriptor, open Opener, progress func(int64)) error {
	h := sha256.New()
	have, err := io.Copy(h, ctxio.NewReader(ctx, f))
	if err != nil {
		return err
	}
	if have > d.Size {
		have = 0
	}
	if have < d.Size || d.Size == 0 {
		content, from, err := open(ctx, have)
		if err != nil {
			return err
		}
		defer func() { _ = content.Close() }()
		if from != have && from != 0 {
			return fmt.Errorf("requested the content from byte %d, received it from byte %d", have, from)
		}
		if from == 0 {
			h.Reset()
			have = 0
		}
		if err := f.Truncate(have); err != nil {
			return err
		}
		if _, err := f.Seek(have, io.SeekStart); err != nil {
			return err
		}
		progress(have)
		// One byte more than expected is enough to detect that there is too much.
		n, err := io.CopyBuffer(io.MultiWriter(f, h, ProgressWriter(progress)),
			io.LimitReader(ctxio.NewReader(ctx, content), d.Size-have+1), make([]byte, 256<<10))
		if err != nil {
			return err
		}
		have += n
	}
	if have < d.Size {
		return fmt.Errorf("received only %d of %d bytes: %w", have, d.Size, io.ErrUnexpectedEOF)
	}
	return verify(h, have, d)
}

func verify(h hash.Hash, size int64, d oci.Descriptor) error {
	if got := hex.EncodeToString(h.Sum(nil)); size != d.Size || got != d.Digest.Encoded() {
		return fmt.Errorf("%w: received %d bytes with digest sha256:%s, expected %d bytes with digest %s", ErrDigest,
			size, got, d.Size, d.Digest)
	}
	return nil
}

// PutDocument stores a manifest, an index or a configuration.
func (s *Store) PutDocument(mediaType string, data []byte) (oci.Descriptor, error) {
	d := oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if s.Has(d.Digest) {
		return d, nil
	}
	return d, s.writeFile(s.Blob(d.Digest.String()), data, 0o644)
}

// ReadDocument reads a document of at most 8 MiB and verifies it.
func (s *Store) ReadDocument(d oci.Descriptor) ([]byte, error) {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return nil, err
	}
	const limit = 8 << 20
	f, err := os.Open(s.Blob(d.Digest.String()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit || digest.FromBytes(data) != d.Digest {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, ErrDigest)
	}
	return data, nil
}

// AdoptBlob moves a file in tmp, which the caller has hashed, into the store as a blob.
func (s *Store) AdoptBlob(f *os.File, d oci.Descriptor) error {
	if s.Has(d.Digest) {
		return nil
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.Blob(d.Digest.String())); err != nil {
		return err
	}
	return syncDir(filepath.Join(s.Dir, "blobs", "sha256"))
}
