package layer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"

	"github.com/minirun/minirun/internal/compression"
)

// A Reader is the uncompressed archive of a blob. Decompressing, hashing and the caller's reads run
// concurrently.
type Reader struct {
	Compression compression.Format

	blocks  chan block
	free    chan []byte
	stop    chan struct{}
	current block
	at      int
	hash    hash.Hash
	ended   func() error // of the caller's context
	done    <-chan struct{}
}

type block struct {
	data []byte
	err  error
}

// Three stages with one block each, and one block in transit between each pair of stages.
const (
	blockSize = 1 << 20
	blocks    = 5
)

// NewReader starts to decompress. The caller must call Close. Reads fail when the context ends,
// because a small blob can decompress to an endless run of zeros.
func NewReader(ctx context.Context, blob io.Reader) (*Reader, error) {
	plain, format, release, err := compression.Open(bufio.NewReaderSize(blob, 1<<20))
	if err != nil {
		return nil, err
	}
	r := &Reader{Compression: format, blocks: make(chan block, blocks), free: make(chan []byte, blocks),
		stop: make(chan struct{}), hash: sha256.New(), ended: ctx.Err, done: ctx.Done()}
	for range blocks {
		r.free <- make([]byte, blockSize)
	}
	raw := make(chan block, blocks)
	go func() {
		defer release()
		r.read(plain, raw)
	}()
	go r.digest(raw)
	return r, nil
}

// read fills blocks with decompressed data.
func (r *Reader) read(plain io.Reader, out chan<- block) {
	defer close(out)
	for {
		var b block
		select {
		case b.data = <-r.free:
		case <-r.stop:
			return
		}
		b.data = b.data[:0]
		// not io.ReadFull, which returns the same error as a truncated stream
		for len(b.data) < blockSize && b.err == nil {
			var n int
			n, b.err = plain.Read(b.data[len(b.data):blockSize])
			b.data = b.data[:len(b.data)+n]
		}
		select {
		case out <- b:
		case <-r.stop:
			return
		}
		if b.err != nil {
			return
		}
	}
}

// digest hashes blocks and passes them on.
func (r *Reader) digest(in <-chan block) {
	defer close(r.blocks)
	for b := range in {
		_, _ = r.hash.Write(b.data)
		select {
		case r.blocks <- b:
		case <-r.stop:
			return
		}
	}
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if err := r.ended(); err != nil {
		return 0, err
	}
	for r.at == len(r.current.data) {
		if r.current.err != nil {
			return 0, r.current.err
		}
		if r.current.data != nil {
			r.free <- r.current.data[:blockSize]
		}
		var ok bool
		select {
		case r.current, ok = <-r.blocks:
		case <-r.done:
			return 0, r.ended()
		}
		if !ok {
			return 0, io.ErrClosedPipe
		}
		r.at = 0
	}
	n := copy(p, r.current.data[r.at:])
	r.at += n
	return n, nil
}

// DiffID reads the rest and returns the digest of the whole content, as listed in the
// configuration's rootfs.diff_ids.
func (r *Reader) DiffID() (string, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(r.hash.Sum(nil)), nil
}

// Close stops the stages.
func (r *Reader) Close() { close(r.stop) }
