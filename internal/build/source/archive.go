package source

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image/layer"
)

// maxPadding limits the data after an archive's last entry.
const maxPadding = 64 << 20

// tarBlock is tar's block size.
const tarBlock = 512

// Sniff looks at the start of a stream: an archive is a context, other text is a Dockerfile
// without a context. The returned reader yields the whole stream.
func Sniff(r io.Reader) (whole io.Reader, archive bool, err error) {
	b := bufio.NewReaderSize(r, 64<<10)
	first, err := b.Peek(tarBlock)
	if err != nil && !errors.Is(err, io.EOF) {
		return b, false, fmt.Errorf("read standard input: %w", err)
	}
	return b, compression.IsCompressed(first) || isTar(first), nil
}

func isTar(first []byte) bool {
	if len(first) < tarBlock {
		return false
	}
	if bytes.Equal(first, make([]byte, tarBlock)) {
		return true // an empty archive
	}
	_, err := tar.NewReader(bytes.NewReader(first)).Next()
	return err == nil || string(first[257:262]) == "ustar"
}

// ExtractArchive unpacks a context into a new directory below tmp, which the caller removes: a tar
// archive, uncompressed or compressed by gzip, bzip2, xz or zstd.
func ExtractArchive(ctx context.Context, r io.Reader, tmp string) (*contenthash.Tree, error) {
	dir, err := os.MkdirTemp(tmp, "context-")
	if err != nil {
		return nil, fmt.Errorf("create a directory for the context: %w", err)
	}
	t, err := extractArchive(ctx, r, dir, layer.ExtractOptions{MaxBytes: maxBytes})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("cannot unpack the context: %w", err)
	}
	return t, nil
}

// maxBytes limits the total size of a context's files.
const maxBytes = 256 << 30

func extractArchive(ctx context.Context, r io.Reader, dir string, o layer.ExtractOptions) (*contenthash.Tree, error) {
	plain, release, err := decompress(r)
	if err != nil {
		return nil, err
	}
	defer release()
	plain = ctxio.NewReader(ctx, plain) // a small file may expand to an endless run of zeros
	root, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	o.Plain = true
	if err := errors.Join(layer.Extract(ctx, root, tar.NewReader(plain), o), root.Close()); err != nil {
		return nil, err
	}
	// Read to the end of the stream, to verify its checksum and to let its writer finish.
	if _, err := io.Copy(io.Discard, io.LimitReader(plain, maxPadding)); err != nil {
		return nil, fmt.Errorf("read the archive's end: %w", err)
	}
	return openDirectory(dir, "the context")
}

func decompress(r io.Reader) (io.Reader, func(), error) {
	b := bufio.NewReaderSize(r, 256<<10)
	first, err := b.Peek(tarBlock)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	if !compression.IsCompressed(first) && !isTar(first) {
		return nil, nil, errors.New("not a tar archive (uncompressed, or compressed with gzip, bzip2, xz or zstd)")
	}
	plain, _, release, err := compression.Open(b)
	return plain, release, err
}
