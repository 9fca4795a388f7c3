package transfer

import (
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnreachableNamesHostAndCause: of a chain of errors, users see the host, the cause and what to do.
func TestUnreachableNamesHostAndCause(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://registry.test:5000/v2/", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{dial(os.NewSyscallError("connect", unix.ECONNREFUSED)), "cannot reach registry.test:5000: connection refused\nhint: check the name and the port"},
		{dial(os.NewSyscallError("connect", unix.ENETUNREACH)), "cannot reach registry.test:5000: network is unreachable\nhint: check the network"},
		{dial(&net.DNSError{Err: "no such host", Name: "registry.test", IsNotFound: true}), "cannot reach registry.test:5000: no such host\nhint: check the name"},
		{errors.Join(dial(unix.ECONNREFUSED), errors.New("and with HTTP")), "cannot reach registry.test:5000: connection refused"},
	} {
		got := explainUnreachable(c.err)
		if !strings.HasPrefix(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	for _, other := range []error{errors.New("x"), &url.Error{Op: "Get", URL: "https://x/", Err: errors.New("no answer")}} {
		if got := explainUnreachable(other); got != other {
			t.Errorf("%v: %v", other, got)
		}
	}
}
