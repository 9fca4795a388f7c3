package retry

import (
	"fmt"
	"io"
	"net/http" //nolint:depguard // only minirun-image links it
	"time"
)

// transport is an http.RoundTripper.
type transport struct {
	next       http.RoundTripper
	policy     Policy
	repeatable func(*http.Request) bool
}

// NewTransport returns a transport that retries a request after a temporary status, and a request
// without side effects also after its connection was closed. Repeatable reports whether a request
// may be sent twice even though the server may have processed the first one. Any request may be
// retried after 429, which means that it was not processed.
func NewTransport(p Policy, next http.RoundTripper, repeatable func(*http.Request) bool) http.RoundTripper {
	return &transport{next, p, repeatable}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, send := r.Context(), r
	for failures := 1; ; failures++ {
		answer, err := t.next.RoundTrip(send)
		cause := t.causeOf(r, answer, err)
		if cause == "" {
			return answer, err
		}
		again := r.Clone(ctx)
		if r.Body != nil && r.Body != http.NoBody {
			if r.GetBody == nil {
				return answer, err
			}
			body, failed := r.GetBody()
			if failed != nil {
				return answer, err
			}
			again.Body = body
		}
		a := Attempt{Server: r.URL.Host, Cause: cause, Wait: t.policy.delay(failures)}
		if answer != nil {
			if asked, ok := retryAfter(answer.Header, time.Now()); ok {
				a.Wait = max(asked, a.Wait)
			}
		}
		if !t.policy.wait(ctx, a, failures) {
			if again.Body != nil {
				_ = again.Body.Close()
			}
			if ended := ctx.Err(); ended != nil && answer != nil {
				_ = answer.Body.Close()
				return nil, ended
			}
			return answer, err
		}
		if answer != nil { // the connection can only be reused if the body is read
			_, _ = io.CopyN(io.Discard, answer.Body, 64<<10)
			_ = answer.Body.Close()
		}
		send = again
	}
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// causeOf returns why a request must be retried, or "" if it must not.
func (t *transport) causeOf(r *http.Request, answer *http.Response, err error) string {
	switch {
	case err != nil && isSafe(r.Method) && IsCut(err):
		return "the connection was closed"
	case err == nil && TemporaryStatus(answer.StatusCode) &&
		(answer.StatusCode == http.StatusTooManyRequests || t.repeatable(r)):
		return fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	return ""
}

// isSafe reports whether a method has no side effects.
func isSafe(method string) bool { return method == http.MethodGet || method == http.MethodHead }
