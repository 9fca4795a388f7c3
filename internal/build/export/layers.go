// Package export converts the result of a build to images, archives and directories.
//
//	layers.go      directories → blobs
//	compress.go    how blobs are compressed
//	image.go       layers and a configuration → an image of the store; several → an index
//	output.go      --output, as data
//	annotation.go  --annotation, as data
//	write.go       archives of images and of files
//	layout.go      OCI image layouts that are directories
//	local.go       files into a user's directory, through a temporary directory
package export

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/store"
)

// A Layer is a layer of a result. Those of a base image already have blobs.
type Layer struct {
	Dir    string         // its files: …/layers/HEX/fs
	Key    digest.Digest  // identifies the directory: of a base, its chain ID; of a step, its result
	Desc   oci.Descriptor // of the blob; empty: not packed yet
	DiffID digest.Digest
}

// blobNote records how a layer was packed.
type blobNote struct {
	Desc   oci.Descriptor `json:"desc"`
	DiffID digest.Digest  `json:"diffID"`
}

// Pack creates a blob for every layer, several at a time, and syncs the layers to disk. Layers
// that were packed before are not packed again.
func Pack(ctx context.Context, s *store.Store, layers []Layer, c Compression, latest *time.Time) error {
	errs := make([]error, len(layers))
	gate := make(chan struct{}, 2)
	var settled error
	var wait sync.WaitGroup
	wait.Go(func() { settled = s.SyncLayers(layerDirs(layers)) }) // the disk writes while the processors compress
	for i := range layers {
		l := &layers[i]
		work := func() error { return l.pack(ctx, s, c, latest) }
		if l.Desc.Digest != "" {
			if !c.Force || c.matches(l.Desc) {
				continue
			}
			work = func() error { return l.repack(ctx, s, c) }
		}
		wait.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = work()
			}
		})
	}
	wait.Wait()
	return errors.Join(append(errs, settled)...)
}

func layerDirs(layers []Layer) (out []string) {
	for _, l := range layers {
		out = append(out, filepath.Dir(l.Dir))
	}
	return out
}

// pack creates a blob from a step's directory.
func (l *Layer) pack(ctx context.Context, s *store.Store, c Compression, latest *time.Time) error {
	return l.createBlob(s, l.notePath(s, c, latest), c, func(w io.Writer) error {
		return layer.Pack(ctxio.NewWriter(ctx, w), l.Dir, layer.PackOptions{Latest: latest})
	})
}

// repack recompresses a base image's blob: the archive in it does not change.
func (l *Layer) repack(ctx context.Context, s *store.Store, c Compression) error {
	from, diffID := l.Desc.Digest, l.DiffID
	note := filepath.Join(s.Dir, "build", "blobs", from.Encoded()[:32]+"."+c.String())
	err := l.createBlob(s, note, c, func(w io.Writer) error {
		f, err := os.Open(s.Blob(from.String()))
		if err != nil {
			return err
		}
		r, err := layer.NewReader(ctx, f)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		_, err = io.Copy(w, r)
		r.Close()
		return errors.Join(err, f.Close())
	})
	if err == nil && l.DiffID != diffID {
		err = fmt.Errorf("layer %s: the digest of its archive is %s, but the image lists %s", from, l.DiffID, diffID)
	}
	return err
}

// createBlob creates a blob, unless a note refers to an existing one.
func (l *Layer) createBlob(s *store.Store, note string, c Compression, archive func(io.Writer) error) error {
	var known blobNote
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &known) == nil && s.Has(known.Desc.Digest) {
		l.Desc, l.DiffID = known.Desc, known.DiffID
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := l.writeBlob(s, c, archive); err != nil {
		return err
	}
	return l.writeNote(s, note)
}

// notePath is the path of the file that records the blob of a layer.
func (l *Layer) notePath(s *store.Store, c Compression, latest *time.Time) string {
	name := l.Key.Encoded()[:32] + "." + c.String()
	if latest != nil {
		name += "." + strconv.FormatInt(latest.Unix(), 10)
	}
	return filepath.Join(s.Dir, "build", "blobs", name)
}

func (l *Layer) writeNote(s *store.Store, note string) error {
	text, err := json.Marshal(blobNote{l.Desc, l.DiffID})
	if err != nil {
		return err
	}
	return s.Replace(note, text)
}

// RecordBlob records the blob from which a layer was unpacked, so that the layer is not packed
// again.
func (l *Layer) RecordBlob(s *store.Store) error {
	c := Compression{Kind: "uncompressed"}
	for _, kind := range []string{"gzip", "zstd"} {
		if strings.HasSuffix(l.Desc.MediaType, kind) {
			c.Kind = kind
		}
	}
	return l.writeNote(s, l.notePath(s, c, nil))
}

// writeBlob creates the blob.
func (l *Layer) writeBlob(s *store.Store, c Compression, archive func(io.Writer) error) (err error) {
	f, err := os.OpenFile(s.Temporary("blob"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name()) // fails if it became a blob
	}()
	whole := &hashWriter{to: f, hash: sha256.New()}
	buffered := bufio.NewWriterSize(whole, 256<<10)
	squeezed, err := newCompressor(buffered, c)
	if err != nil {
		return err
	}
	plain := sha256.New()
	if err := archive(io.MultiWriter(squeezed, plain)); err != nil {
		return err
	}
	if err := errors.Join(squeezed.Close(), buffered.Flush()); err != nil {
		return err
	}
	l.DiffID = digest.NewDigest(digest.SHA256, plain)
	l.Desc = oci.Descriptor{
		MediaType: c.mediaType(), Digest: digest.NewDigest(digest.SHA256, whole.hash), Size: whole.n,
	}
	return s.AdoptBlob(f, l.Desc)
}

// hashWriter hashes and counts the bytes written through it.
type hashWriter struct {
	to   io.Writer
	hash hash.Hash
	n    int64
}

// Write implements io.Writer.
func (c *hashWriter) Write(p []byte) (int, error) {
	c.hash.Write(p)
	c.n += int64(len(p))
	return c.to.Write(p)
}
