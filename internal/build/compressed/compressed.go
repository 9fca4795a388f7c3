// Package compressed reads what is compressed without being told so: contexts, and
// the archives that ADD unpacks. gzip, bzip2, xz and zstd are told by their first
// bytes.
package compressed

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

// window bounds the memory that a compressed stream may ask for.
const window = 128 << 20

var formats = []struct {
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

// Is says whether a stream that begins so is compressed.
func Is(head []byte) bool {
	for _, f := range formats {
		if bytes.HasPrefix(head, f.magic) {
			return true
		}
	}
	return false
}

// Open is the stream's content: decompressed, or as it is if it is not compressed.
// done gives memory back.
func Open(r *bufio.Reader) (plain io.Reader, done func(), err error) {
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	for _, f := range formats {
		if bytes.HasPrefix(head, f.magic) {
			if plain, done, err = f.open(r); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", f.name, err)
			}
			return plain, done, nil
		}
	}
	return r, func() {}, nil
}
