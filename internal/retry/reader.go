package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/minirun/minirun/internal/ctxio"
)

// An Open returns content from an offset on, or all of it with from = 0.
type Open func(ctx context.Context, offset int64) (content io.ReadCloser, from int64, err error)

// progress is how many bytes must arrive between two failures to reset their count.
const progress = 1 << 20

// A reader reads content from a server and resumes after its connection was closed.
type reader struct {
	ctx      context.Context
	policy   Policy
	server   string
	open     Open
	content  io.ReadCloser
	offset   int64
	broken   error // of content
	failures int
	last     int64 // offset at the previous failure
}

// NewReader opens content of a server at an offset, and reopens it each time its connection is
// closed. The content must not change between tries, which a known digest ensures.
func NewReader(ctx context.Context, p Policy, server string, offset int64, open Open) (io.ReadCloser, int64, error) {
	content, from, err := open(ctx, offset)
	if err != nil {
		return nil, 0, err
	}
	return &reader{ctx: ctx, policy: p, server: server, open: open, content: content, offset: from,
		last: from}, from, nil
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

// resume reopens the content.
func (r *reader) resume() error {
	if r.offset-r.last >= progress {
		r.failures = 0
	}
	r.last = r.offset
	for {
		r.failures++
		if !r.policy.Wait(r.ctx, r.server, "the connection was closed", r.failures) {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			return r.broken
		}
		_ = r.content.Close()
		content, from, err := r.open(r.ctx, r.offset)
		if err != nil {
			if IsCut(err) || errors.Is(err, syscall.ECONNREFUSED) { // the server is restarting
				continue
			}
			return errors.Join(r.broken, err)
		}
		r.content = content
		if from > r.offset {
			return errors.Join(r.broken, fmt.Errorf("requested the content from byte %d, received it from byte %d",
				r.offset, from))
		}
		_, err = io.CopyN(io.Discard, ctxio.NewReader(r.ctx, content), r.offset-from) // skips what was already read
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
