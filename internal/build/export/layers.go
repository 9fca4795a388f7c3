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

// Pack gives every layer a blob, several at a time, and makes layers and blobs last.
// What was packed before is not packed again.
func Pack(ctx context.Context, s *ingest.Store, layers []Layer, c Compression, latest *time.Time) error {
	errs := make([]error, len(layers))
	blobs := make([]string, len(layers)) // in tmp
	defer func() {
		for _, b := range blobs {
			if b != "" {
				_ = os.Remove(b) // fails if it has become a blob
			}
		}
	}()
	var settled error
	var wait sync.WaitGroup
	wait.Go(func() { settled = s.Settle(directories(layers)) }) // the disk writes while the processors pack
	gate := make(chan struct{}, 2)
	for i := range layers {
		if layers[i].Desc.Digest != "" {
			continue
		}
		wait.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				blobs[i], errs[i] = layers[i].pack(s, c, latest)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(append(errs, settled)...); err != nil {
		return err
	}
	var staged []ingest.Staged
	for i, l := range layers {
		if blobs[i] != "" {
			staged = append(staged, ingest.Staged{Path: blobs[i], Desc: l.Desc})
		}
	}
	if err := s.AdoptBlobs(staged); err != nil {
		return err
	}
	for i := range layers {
		if blobs[i] == "" {
			continue
		}
		if err := layers[i].remember(s, c, latest); err != nil {
			return err
		}
	}
	return nil
}

func directories(layers []Layer) (out []string) {
	for _, l := range layers {
		out = append(out, filepath.Dir(l.Dir))
	}
	return out
}

// note is where it is remembered what a layer was packed to.
func (l *Layer) note(s *ingest.Store, c Compression, latest *time.Time) string {
	name := l.Key.Encoded()[:32] + "." + c.Kind + strconv.Itoa(c.Level)
	if latest != nil {
		name += "." + strconv.FormatInt(latest.Unix(), 10)
	}
	return filepath.Join(s.Dir, "build", "blobs", name)
}

// pack looks whether a layer has a blob, or else writes one and returns its name in
// tmp.
func (l *Layer) pack(s *ingest.Store, c Compression, latest *time.Time) (aside string, err error) {
	var known packed
	text, err := os.ReadFile(l.note(s, c, latest))
	if err == nil && json.Unmarshal(text, &known) == nil && s.Has(known.Desc.Digest) {
		l.Desc, l.DiffID = known.Desc, known.DiffID
		return "", nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	aside = s.Temporary("blob")
	return aside, l.write(aside, c, latest)
}

// remember notes what a layer was packed to.
func (l *Layer) remember(s *ingest.Store, c Compression, latest *time.Time) error {
	text, err := json.Marshal(packed{l.Desc, l.DiffID})
	if err != nil {
		return err
	}
	aside := s.Temporary("packed")
	if err := os.WriteFile(aside, text, 0o644); err != nil {
		return err
	}
	return os.Rename(aside, l.note(s, c, latest))
}

// write makes the blob.
func (l *Layer) write(aside string, c Compression, latest *time.Time) (err error) {
	f, err := os.OpenFile(aside, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
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
	return f.Sync()
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
