// Package ctxio reads, opens and waits so that the end of a context interrupts it: a
// signal must not wait for a pipe that nobody writes to, nor for a gigabyte of zeros.
//
// What blocks in the kernel goes on in a goroutine of its own after the context has
// ended. It ends with the process, or when the kernel returns.
package ctxio

import (
	"bytes"
	"context"
	"io"
	"os"
)

// Do runs f and returns what it returns, or the context's error if that ends before.
// Then f goes on, so it must not change anything that outlives the process.
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

// NewReader returns a reader whose Read fails when the context ends. Reads of a file
// that is not a regular one, such as a pipe, are interrupted; others must return by
// themselves, and are checked between.
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

// A blockingReader reads into a buffer of its own, since the caller's is no longer its
// own after Read has returned.
type blockingReader struct {
	ctx    context.Context
	from   io.Reader
	buffer []byte
	left   []byte // of the buffer
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

// NewWriter returns a writer whose Write fails when the context ends, also while
// nobody reads from a pipe.
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

// Write implements io.Writer. It writes a copy, as p is the caller's again when Write
// has returned.
func (w *blockingWriter) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	return Do(w.ctx, func() (int, error) { return w.to.Write(p) })
}
