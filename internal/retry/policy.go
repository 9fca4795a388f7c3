// Package retry retries HTTP requests that failed temporarily: the server was overloaded or
// restarting, or the connection was closed.
//
//	policy.go     which failures are temporary, and how long to wait (pure)
//	transport.go  requests
//	reader.go     content that resumes after its connection was closed
//
// The context of a request determines where attempts are reported and how many there are.
package retry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http" //nolint:depguard // only minirun-image links it
	"strconv"
	"syscall"
	"time"
)

// A Policy limits the attempts. Its zero value allows one attempt.
type Policy struct {
	Tries   int           // for a request, including the first one
	First   time.Duration // wait before the second try; doubles with each further one
	Longest time.Duration // longest wait that a server may ask for

	// Sleep waits for a duration or returns the context's error; nil means a timer.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Default waits 15 seconds in total, unless a server asks for more.
var Default = Policy{Tries: 6, First: 500 * time.Millisecond, Longest: time.Minute}

// An Attempt describes what follows a failure.
type Attempt struct {
	Server string // host[:port]
	Cause  string
	Wait   time.Duration
	Next   int // number of the next try; 0 if there is none, because the server asks to wait too long
	Tries  int // how many tries there are; 0 if the caller counts them
}

// String formats the attempt as a line for the user.
func (a Attempt) String() string {
	if a.Next == 0 {
		return fmt.Sprintf("%s: %s: not retrying, because the server asks to wait for %v", a.Server, a.Cause, a.Wait)
	}
	if a.Tries == 0 {
		return fmt.Sprintf("%s: %s: retrying in %v", a.Server, a.Cause, a.Wait.Round(100*time.Millisecond))
	}
	return fmt.Sprintf("%s: %s: retrying in %v (try %d of %d)", a.Server, a.Cause, a.Wait.Round(100*time.Millisecond),
		a.Next, a.Tries)
}

type (
	noticeKey struct{}
	triesKey  struct{}
)

// WithNotice returns a context whose requests call notice for each further attempt.
func WithNotice(ctx context.Context, notice func(Attempt)) context.Context {
	return context.WithValue(ctx, noticeKey{}, notice)
}

// WithLines is like WithNotice for output that consists of lines, such as that of a build step.
func WithLines(ctx context.Context, write func(line []byte)) context.Context {
	return WithNotice(ctx, func(a Attempt) { write([]byte(a.String() + "\n")) })
}

// WithTries returns a context whose requests are tried at most n times.
func WithTries(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, triesKey{}, n)
}

func (p Policy) tries(ctx context.Context) int {
	if n, ok := ctx.Value(triesKey{}).(int); ok {
		return min(n, p.Tries)
	}
	return p.Tries
}

// delay returns the wait after a number of failures. It is partly random, so that clients that
// failed at the same time do not retry at the same time.
func (p Policy) delay(failures int) time.Duration {
	d := p.First << min(failures-1, 10)
	if d > p.Longest {
		d = p.Longest
	}
	if d <= 0 {
		return 0
	}
	return d + rand.N(d/10+1)
}

// Wait reports and waits before the next try, after the given number of failures. It returns false
// if there are no tries left or the context ended.
func (p Policy) Wait(ctx context.Context, server, cause string, failures int) bool {
	return p.wait(ctx, Attempt{Server: server, Cause: cause, Wait: p.delay(failures)}, failures)
}

// Pause reports and waits before another try, for callers that count the tries.
func (p Policy) Pause(ctx context.Context, server, cause string) bool {
	return p.sleep(ctx, Attempt{Server: server, Cause: cause, Wait: p.delay(2), Next: 1})
}

func (p Policy) wait(ctx context.Context, a Attempt, failures int) bool {
	a.Tries = p.tries(ctx)
	if failures >= a.Tries {
		return false
	}
	if a.Wait <= p.Longest+p.Longest/10 {
		a.Next = failures + 1
	}
	return p.sleep(ctx, a)
}

// sleep reports an attempt and waits for it.
func (p Policy) sleep(ctx context.Context, a Attempt) bool {
	if ctx.Err() != nil {
		return false
	}
	if notice, ok := ctx.Value(noticeKey{}).(func(Attempt)); ok && notice != nil {
		notice(a)
	}
	if a.Next == 0 {
		return false
	}
	sleep := p.Sleep
	if sleep == nil {
		sleep = sleepTimer
	}
	return sleep(ctx, a.Wait) == nil
}

func sleepTimer(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TemporaryStatus reports whether a later request may succeed after a response with this status.
func TemporaryStatus(code int) bool {
	switch code {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// IsCut reports whether an error means that the other side, or a device in between, closed the
// connection. If the request's body is still being written when net/http detects this, the error is
// net.ErrClosed.
func IsCut(err error) bool {
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED,
		net.ErrClosed} {
		if errors.Is(err, cut) {
			return true
		}
	}
	return false
}

// retryAfter returns how long a server asks to wait: RFC 9110, section 10.2.3.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if when, err := http.ParseTime(text); err == nil {
		return max(when.Sub(now), 0).Round(time.Second), true
	}
	return 0, false
}
