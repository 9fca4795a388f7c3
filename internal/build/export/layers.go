// Package export makes of what a build has come to what somebody can use.
//
//	layers.go    directories → blobs
//	image.go     layers and a configuration → an image of the store; several → an index
//	output.go    --output, as data
//	write.go     archives, directories
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
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image/ingest"
	"github.com/minirun/minirun/internal/image/layer"
)

// A Layer is one of a result's. Those of a base image have blobs already.
type Layer struct {
	Dir    string         // where its files are: …/layers/HEX/fs
	Key    digest.Digest  // names the directory: of a base, its chain ID; of a step, its result
	Desc   oci.Descriptor // of the blob; empty: it is to be packed
	DiffID digest.Digest
}

// A Compression is how layers are packed.
type Compression struct {
	Kind  string // gzip, zstd or uncompressed; "" is gzip
	Level int    // of the kind's own; 0 is its default
}

// packed is what is remembered of a layer that was packed.
type packed struct {
	Desc   oci.Descriptor `json:"desc"`
	DiffID digest.Digest  `json:"diffID"`
}

// Pack gives every layer a blob, several at a time, and makes the layers last. What
// was packed before is not packed again.
func Pack(ctx context.Context, s *ingest.Store, layers []Layer, c Compression, latest *time.Time) error {
	errs := make([]error, len(layers))
	gate := make(chan struct{}, 2)
	var settled error
	var wait sync.WaitGroup
	wait.Go(func() { settled = s.Settle(directories(layers)) }) // the disk writes while the processors pack
	for i := range layers {
		if layers[i].Desc.Digest != "" {
			continue
		}
		wait.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = layers[i].pack(s, c, latest)
			}
		})
	}
	wait.Wait()
	return errors.Join(append(errs, settled)...)
}

func directories(layers []Layer) (out []string) {
	for _, l := range layers {
		out = append(out, filepath.Dir(l.Dir))
	}
	return out
}

func (l *Layer) pack(s *ingest.Store, c Compression, latest *time.Time) error {
	note := filepath.Join(s.Dir, "build", "blobs", l.Key.Encoded()[:32]+"."+c.Kind+strconv.Itoa(c.Level))
	if latest != nil {
		note += "." + strconv.FormatInt(latest.Unix(), 10)
	}
	var known packed
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &known) == nil && s.Has(known.Desc.Digest) {
		l.Desc, l.DiffID = known.Desc, known.DiffID
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := l.write(s, c, latest); err != nil {
		return err
	}
	text, err := json.Marshal(packed{l.Desc, l.DiffID})
	if err != nil {
		return err
	}
	aside := s.Temporary("packed")
	if err := os.WriteFile(aside, text, 0o644); err != nil {
		return err
	}
	return os.Rename(aside, note)
}

// write makes the blob.
func (l *Layer) write(s *ingest.Store, c Compression, latest *time.Time) (err error) {
	f, err := os.OpenFile(s.Temporary("blob"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(f.Name()) // fails if it has become a blob
	}()
	whole := &counted{to: f, hash: sha256.New()}
	buffered := bufio.NewWriterSize(whole, 256<<10)
	squeezed, err := compressor(buffered, c)
	if err != nil {
		return err
	}
	plain := sha256.New()
	if err := layer.Pack(io.MultiWriter(squeezed, plain), l.Dir, layer.PackOptions{Latest: latest}); err != nil {
		return err
	}
	if err := errors.Join(squeezed.Close(), buffered.Flush()); err != nil {
		return err
	}
	l.DiffID = digest.NewDigest(digest.SHA256, plain)
	l.Desc = oci.Descriptor{MediaType: mediaType(c), Digest: digest.NewDigest(digest.SHA256, whole.hash), Size: whole.n}
	return s.AdoptBlob(f, l.Desc)
}

// counted hashes what goes through it.
type counted struct {
	to   io.Writer
	hash hash.Hash
	n    int64
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	c.hash.Write(p)
	c.n += int64(len(p))
	return c.to.Write(p)
}

func mediaType(c Compression) string {
	switch c.Kind {
	case "uncompressed":
		return oci.MediaTypeImageLayer
	case "zstd":
		return oci.MediaTypeImageLayerZstd
	}
	return oci.MediaTypeImageLayerGzip
}

type nothing struct{ io.Writer }

func (nothing) Close() error { return nil }

// compressor has no header with a time, so the same files make the same bytes.
func compressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c.Kind {
	case "uncompressed":
		return nothing{w}, nil
	case "zstd":
		level := zstd.SpeedDefault
		if c.Level != 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
	case "", "gzip":
		level := c.Level
		if level == 0 {
			level = gzip.BestSpeed + 2
		}
		return gzip.NewWriterLevel(w, level)
	}
	return nil, fmt.Errorf("compression %q: must be gzip, zstd or uncompressed", c.Kind)
}
