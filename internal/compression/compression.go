// Package compression decompresses streams and detects their format from the first bytes: layers,
// archives of images, build contexts, and the archives that ADD unpacks. File names and media types
// are not used, because both are sometimes wrong.
package compression

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// Format is the compression format of a stream.
type Format string

// The formats that are detected. The image specification names Plain, Gzip and Zstd.
const (
	Plain Format = "plain"
	Gzip  Format = "gzip"
	Bzip2 Format = "bzip2"
	XZ    Format = "xz"
	Zstd  Format = "zstd"
)

// HeadSize is the number of bytes that Detect needs.
const HeadSize = 6

// maxWindow limits the memory that a compressed stream may require.
const maxWindow = 128 << 20

// Detect returns the format of a stream that begins with head.
func Detect(head []byte) Format {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return Gzip
	case bytes.HasPrefix(head, []byte("BZh")):
		return Bzip2
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return XZ
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}), isSkippable(head):
		return Zstd
	}
	return Plain
}

// isSkippable reports whether head begins a skippable zstd frame, in which tools such as pzstd and
// zstd:chunked store their own data (RFC 8878, 3.1.2).
func isSkippable(head []byte) bool {
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// IsCompressed reports whether a stream that begins with head is compressed.
func IsCompressed(head []byte) bool { return Detect(head) != Plain }

// Open returns the decompressed content of a stream and its format. The content of a Plain stream
// is the stream itself. The caller must call release, which frees memory.
func Open(r *bufio.Reader) (content io.Reader, format Format, release func(), err error) {
	head, err := r.Peek(HeadSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, Plain, nil, err
	}
	format = Detect(head)
	if content, release, err = decompressor(r, format); err != nil {
		return nil, format, nil, fmt.Errorf("%s: %w", format, err)
	}
	return content, format, release, nil
}

func decompressor(r io.Reader, format Format) (io.Reader, func(), error) {
	nothing := func() {}
	switch format {
	case Gzip:
		z, err := gzip.NewReader(r)
		return z, nothing, err
	case Bzip2:
		return bzip2.NewReader(r), nothing, nil
	case XZ:
		z, err := xz.NewReader(r, maxWindow)
		return z, nothing, err
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return r, nothing, nil
}
