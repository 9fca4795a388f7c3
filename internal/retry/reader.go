package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/minirun/minirun/internal/ctxio"
)

// An Open returns content from an offset on, or, with from = 0, all of it.
type Open func(ctx context.Context, offset int64) (content io.ReadCloser, from int64, err error)

// progress is how many bytes must come between two cuts to make up for the first.
const progress = 1 << 20

// A reader is content of a server that continues where its connection was cut.
type reader struct {
	ctx      context.Context
	policy   Policy
	server   string
	open     Open
	content  io.ReadCloser
	offset   int64
	broken   error // of content
	failures int
	last     int64 // offset at the last failure
}

// NewReader opens the content of a server from an offset on, and opens it again each
// time that its connection is cut. The content is always the same: its digest is
// known.
func NewReader(ctx context.Context, p Policy, server string, offset int64, open Open) (io.ReadCloser, int64, error) {
	content, from, err := open(ctx, offset)
	if err != nil {
		return nil, 0, err
	}
	return &reader{ctx: ctx, policy: p, server: server, open: open, content: content, offset: from, last: from}, from, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for {
		if r.broken != nil {
			if err := r.resume(); err != nil {
				return 0, err
			}
		}
		n, err := r.content.Read(p)
		r.offset += int64(n)
		if err == nil || errors.Is(err, io.EOF) {
			return n, err
		}
		r.broken = err
		if n > 0 {
			return n, nil
		}
	}
}

// resume opens the content again.
func (r *reader) resume() error {
	if r.offset-r.last >= progress {
		r.failures = 0
	}
	r.last = r.offset
	for {
		r.failures++
		if !r.policy.Wait(r.ctx, r.server, "the connection was cut", r.failures) {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			return r.broken
		}
		_ = r.content.Close()
		content, from, err := r.open(r.ctx, r.offset)
		if err != nil {
			if IsCut(err) || errors.Is(err, syscall.ECONNREFUSED) { // the server restarts
				continue
			}
			return errors.Join(r.broken, err)
		}
		r.content = content
		if from > r.offset {
			return errors.Join(r.broken, fmt.Errorf("asked for the content from byte %d on, got it from %d", r.offset, from))
		}
		_, err = io.CopyN(io.Discard, ctxio.NewReader(r.ctx, content), r.offset-from) // what is there already
		if err == nil {
			r.broken = nil
			return nil
		}
		if errors.Is(err, io.EOF) {
			return errors.Join(r.broken, io.ErrUnexpectedEOF)
		}
	}
}

// Close implements io.Closer.
func (r *reader) Close() error { return r.content.Close() }
