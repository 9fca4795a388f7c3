package export

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// A Compression describes how layers are compressed.
type Compression struct {
	Kind  string // gzip, zstd or uncompressed; "" is gzip
	Level int    // in the kind's own scale; 0 is its default
	Force bool   // also recompress layers of base images
}

// LevelNone is level 0: the format without compression.
const LevelNone = -1

// String is the form used in file names.
func (c Compression) String() string {
	kind := c.Kind
	if kind == "" {
		kind = "gzip"
	}
	return kind + strconv.Itoa(c.Level)
}

// check rejects unknown kinds and invalid levels.
func (c Compression) check() error {
	most := 0
	switch c.Kind {
	case "", "gzip":
		most = gzip.BestCompression
	case "zstd":
		most = 22
	case "uncompressed":
		if c.Level != 0 {
			return errors.New("compression-level: uncompressed layers have no level")
		}
	case "estargz":
		return errors.New("compression estargz: not supported\nhint: use gzip or zstd")
	default:
		return fmt.Errorf("compression %q: must be gzip, zstd or uncompressed", c.Kind)
	}
	if c.Level < LevelNone || c.Level > most {
		return fmt.Errorf("compression-level: must be 0 to %d", most)
	}
	return nil
}

func (c Compression) mediaType() string {
	switch c.Kind {
	case "uncompressed":
		return oci.MediaTypeImageLayer
	case "zstd":
		return oci.MediaTypeImageLayerZstd
	}
	return oci.MediaTypeImageLayerGzip
}

// matches reports whether a blob has this kind of compression. The level cannot be determined.
func (c Compression) matches(d oci.Descriptor) bool {
	switch d.MediaType {
	case "application/vnd.docker.image.rootfs.diff.tar.gzip":
		return c.mediaType() == oci.MediaTypeImageLayerGzip
	case "application/vnd.docker.image.rootfs.diff.tar":
		return c.mediaType() == oci.MediaTypeImageLayer
	}
	return d.MediaType == c.mediaType()
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// newCompressor writes no timestamp in the header, so the same files give the same bytes.
func newCompressor(w io.Writer, c Compression) (io.WriteCloser, error) {
	switch c.Kind {
	case "uncompressed":
		return nopCloser{w}, nil
	case "zstd":
		level := zstd.SpeedDefault
		if c.Level != 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		return zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
	case "", "gzip":
		level := c.Level
		switch level {
		case 0:
			level = gzip.BestSpeed + 2
		case LevelNone:
			level = gzip.NoCompression
		}
		return gzip.NewWriterLevel(w, level)
	}
	return nil, c.check()
}
