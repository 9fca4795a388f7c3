// Package ctxio provides reads, writes and opens that stop when a context ends: a
// signal must not wait for a pipe without a writer, nor for a gigabyte of zeros.
//
// A call that blocks in the kernel continues in a separate goroutine after the context
// ended, until the kernel returns or the process exits.
package ctxio

import (
	"bytes"
	"context"
	"io"
	"os"
)

// Do runs f and returns its result, or the context's error if the context ends first.
// f then continues, so it must not change anything that outlives the process.
func Do[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// Open opens a file for reading. open(2) of a FIFO waits until another process writes
// to it.
func Open(ctx context.Context, path string) (*os.File, error) {
	return Do(ctx, func() (*os.File, error) { return os.Open(path) })
}

// NewReader returns a reader whose Read fails when the context ends. A read of a file
// that is not a regular file, such as a pipe, is interrupted; for others, the context is
// checked before each read.
func NewReader(ctx context.Context, r io.Reader) io.Reader {
	if f, ok := r.(*os.File); ok {
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return &blockingReader{ctx: ctx, from: r, buffer: make([]byte, 256<<10)}
		}
	}
	return &checkedReader{ctx, r}
}

type checkedReader struct {
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (r *checkedReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(p)
}

// A blockingReader reads into a separate buffer: after Read returned, the caller may use
// its own again.
type blockingReader struct {
	ctx    context.Context
	from   io.Reader
	buffer []byte
	left   []byte // the part of the buffer that Read has not returned yet
	err    error
}

// Read implements io.Reader.
func (r *blockingReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.left) == 0 && r.err == nil {
		n, err := Do(r.ctx, func() (int, error) { return r.from.Read(r.buffer) })
		r.left, r.err = r.buffer[:n], err
	}
	n := copy(p, r.left)
	if r.left = r.left[n:]; n == 0 {
		return 0, r.err
	}
	return n, nil
}

// NewWriter returns a writer whose Write fails when the context ends, also while a pipe
// is full and has no reader.
func NewWriter(ctx context.Context, w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok {
		return &checkedWriter{ctx, w}
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		return &checkedWriter{ctx, w}
	}
	return &blockingWriter{ctx, w}
}

type checkedWriter struct {
	ctx context.Context
	to  io.Writer
}

// Write implements io.Writer.
func (w *checkedWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.to.Write(p)
}

type blockingWriter struct {
	ctx context.Context
	to  io.Writer
}

// Write implements io.Writer. It writes a copy: after Write returned, the caller may
// change p.
func (w *blockingWriter) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	return Do(w.ctx, func() (int, error) { return w.to.Write(p) })
}
