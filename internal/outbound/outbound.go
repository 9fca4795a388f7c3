// Package outbound restricts where a server can send minirun. A registry, or the
// server of a file that ADD fetches, answers with redirects, token servers and upload
// URLs. Each of them is another request from this host, which may reach what the
// server cannot: services on loopback, in the private network, or a cloud's metadata
// at 169.254.169.254.
//
//	address.go   kinds of addresses, and which kind may send to which (pure)
//	outbound.go  the check of a request, and of the address that is dialed for it
//
// Names are checked when they are dialed: a name that the server controls may resolve
// to a different address each time.
package outbound

import (
	"context"
	"fmt"
	"net"
	"net/http" //nolint:depguard // only minirun-image links it
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/minirun/minirun/internal/debuglog"
)

// An Origin is the server that the user named.
type Origin struct {
	Host string // host[:port], as in a URL

	// Plain allows HTTP without TLS, to the origin and to the servers that it
	// redirects to: the user configured it or wrote http://. Between servers on
	// loopback it is always allowed.
	Plain bool
}

// A PlainError reports a request without TLS that was not sent.
type PlainError struct{ Host string }

func (e *PlainError) Error() string {
	return "refused to send a request without TLS to " + e.Host
}

// An AddressError reports a server that was not contacted: the origin must not send
// requests to its address.
type AddressError struct {
	Origin, Host string
	Address      netip.Addr
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("refused to follow %s to %s, which has the %s address %s", e.Origin, e.Host, kindOf(e.Address),
		e.Address)
}

// transport is an http.RoundTripper for all requests that one origin causes.
type transport struct {
	origin  string // host without port
	plain   bool
	next    http.RoundTripper
	reached atomic.Int32 // the kind of the origin's address, public until it is known
	proxy   func(*http.Request) (*url.URL, error)
}

// A RedirectsError is a request that was not sent: it is the end of a chain of redirects
// which may have no end.
type RedirectsError struct{ URL string }

func (e *RedirectsError) Error() string {
	return fmt.Sprintf("stopped after %d redirects, the last one to %s", maxRedirects, e.URL)
}

// maxRedirects is net/http's own limit, which a client with a CheckRedirect function, as
// those of the registry library, does not have.
const maxRedirects = 10

// countRedirects returns how many answers led to a request.
func countRedirects(r *http.Request) int {
	n := 0
	for n <= maxRedirects && r != nil && r.Response != nil {
		r = r.Response.Request
		n++
	}
	return n
}

// viaKey is the context key for the proxy of a request, a *url.URL.
type viaKey struct{}

func requestProxy(ctx context.Context) *url.URL {
	u, _ := ctx.Value(viaKey{}).(*url.URL)
	return u
}

// NewTransport returns a transport for requests to an origin and to the servers that
// it redirects to. If next is an http.Transport, a copy with checked connections is
// used.
func NewTransport(o Origin, next http.RoundTripper) http.RoundTripper {
	t := &transport{origin: hostname(o.Host), plain: o.Plain, next: next}
	if a, err := netip.ParseAddr(t.origin); err == nil {
		t.reached.Store(int32(kindOf(a)))
	}
	base, ok := next.(*http.Transport)
	if !ok {
		return t
	}
	base = base.Clone()
	if t.proxy = base.Proxy; t.proxy != nil {
		base.Proxy = func(r *http.Request) (*url.URL, error) { return requestProxy(r.Context()), nil }
	}
	base.DialContext = t.dial
	t.next = base
	return t
}

// hostname returns the host of a URL without port and brackets, in lower case.
func hostname(host string) string { return strings.ToLower((&url.URL{Host: host}).Hostname()) }

// RoundTrip implements http.RoundTripper. It checks what dial does not see if the
// request goes through a proxy or an existing connection.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	err := t.check(r.URL)
	if err == nil && countRedirects(r) > maxRedirects {
		err = &RedirectsError{r.URL.Redacted()}
	}
	if err == nil && t.proxy != nil {
		var u *url.URL
		u, err = t.proxy(r)
		r = r.WithContext(context.WithValue(r.Context(), viaKey{}, u))
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as RoundTripper must
		}
		return nil, err
	}
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		debuglog.Printf("%s %s://%s%s: %v", r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path, err)
	} else { // without the query and the headers, which may contain credentials
		debuglog.Printf("%s %s://%s%s: %s", r.Method, r.URL.Scheme, r.URL.Host, r.URL.Path, answer.Status)
	}
	return answer, err
}

// CloseIdleConnections implements the method that http.Client.CloseIdleConnections
// calls.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *transport) check(u *url.URL) error {
	host := hostname(u.Host)
	switch u.Scheme {
	case "https":
	case "http":
		if !t.plain && (!isLoopbackName(t.origin) || !isLoopbackName(host)) {
			return &PlainError{u.Host}
		}
	default:
		return fmt.Errorf("refused to follow %s to a URL with the scheme %q, which is neither https nor http", t.origin,
			u.Scheme)
	}
	if host == t.origin {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return t.checkAddress(host, a)
	}
	return nil
}

func (t *transport) checkAddress(host string, a netip.Addr) error {
	if mayReach(kind(t.reached.Load()), kindOf(a)) {
		return nil
	}
	return &AddressError{t.origin, host, a}
}

// dial connects, and checks every address that is tried. The address of a proxy is the
// user's choice and is not checked; the proxy resolves the name of the server.
func (t *transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	host = strings.ToLower(host)
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: dialTimeout}
	if requestProxy(ctx) != nil {
		return d.DialContext(ctx, network, address)
	}
	d.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(resolved)
		if err != nil {
			return err
		}
		if isLoopbackName(host) && !t.plain && kindOf(at.Addr()) != loopback {
			return &PlainError{address} // the resolver maps localhost to another host
		}
		if host == t.origin {
			return nil
		}
		return t.checkAddress(host, at.Addr())
	}
	conn, err := d.DialContext(ctx, network, address)
	if err == nil && host == t.origin {
		if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err == nil {
			t.reached.Store(int32(kindOf(at.Addr())))
		}
	}
	return conn, err
}
