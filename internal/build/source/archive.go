package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"github.com/minirun/minirun/internal/build/tree"
)

// compressions are told by a stream's first bytes.
var compressions = []struct {
	name  string
	magic []byte
	open  func(io.Reader) (io.Reader, func(), error)
}{
	{"gzip", []byte{0x1f, 0x8b}, func(r io.Reader) (io.Reader, func(), error) {
		z, err := gzip.NewReader(r)
		return z, func() {}, err
	}},
	{"bzip2", []byte("BZh"), func(r io.Reader) (io.Reader, func(), error) { return bzip2.NewReader(r), func() {}, nil }},
	{"xz", []byte("\xfd7zXZ\x00"), func(r io.Reader) (io.Reader, func(), error) {
		z, err := xz.NewReader(r, window)
		return z, func() {}, err
	}},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, func(r io.Reader) (io.Reader, func(), error) {
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(window), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}},
}

// window bounds the memory that a compressed stream may ask for.
const window = 128 << 20

// maxPadding bounds what an archive may have behind its last entry.
const maxPadding = 64 << 20

// block is what tar's records are multiples of.
const block = 512

// Sniff looks at how a stream begins: an archive is a context, other text a
// Dockerfile alone. The reader that it returns has the whole stream.
func Sniff(r io.Reader) (whole io.Reader, archive bool, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	first, err := b.Peek(block)
	if err != nil && !errors.Is(err, io.EOF) {
		return b, false, fmt.Errorf("read standard input: %w", err)
	}
	for _, c := range compressions {
		if bytes.HasPrefix(first, c.magic) {
			return b, true, nil
		}
	}
	return b, isTar(first), nil
}

func isTar(first []byte) bool {
	if len(first) < block {
		return false
	}
	if bytes.Equal(first, make([]byte, block)) {
		return true // of no entry
	}
	_, err := tar.NewReader(bytes.NewReader(first)).Next()
	return err == nil || string(first[257:262]) == "ustar"
}

// Archive unpacks a context into a new directory below tmp, which the caller
// removes: a tar archive, as it is or compressed by gzip, bzip2, xz or zstd.
func Archive(ctx context.Context, r io.Reader, tmp string) (*tree.Tree, error) {
	dir, err := os.MkdirTemp(tmp, "context-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the context: %w", err)
	}
	t, err := archive(ctx, r, dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("unpack the context: %w", err)
	}
	return t, nil
}

func archive(ctx context.Context, r io.Reader, dir string) (*tree.Tree, error) {
	plain, done, err := decompress(r)
	if err != nil {
		return nil, err
	}
	defer done()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	if err := unpack(ctx, root, tar.NewReader(plain), bounds{maxEntries, maxBytes}); err != nil {
		return nil, err
	}
	// To the stream's own end, where its checksum is, and whoever writes it is done.
	if _, err := io.Copy(io.Discard, io.LimitReader(plain, maxPadding)); err != nil {
		return nil, fmt.Errorf("read the archive's end: %w", err)
	}
	return open(dir, "the context")
}

func decompress(r io.Reader) (io.Reader, func(), error) {
	b := bufio.NewReaderSize(r, 256<<10)
	first, err := b.Peek(block)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	for _, c := range compressions {
		if !bytes.HasPrefix(first, c.magic) {
			continue
		}
		plain, done, err := c.open(b)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name, err)
		}
		return plain, done, nil
	}
	if !isTar(first) {
		return nil, nil, errors.New("it is not a tar archive, as it is or compressed by gzip, bzip2, xz or zstd")
	}
	return b, func() {}, nil
}
