package transfer

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"golang.org/x/sys/unix"
)

// An UnreachableError reports a server to which no connection could be made.
type UnreachableError struct {
	Host string // with a port, if it is in the address
	Err  error  // of net/http
}

// Error names the cause without the requests that failed.
func (e *UnreachableError) Error() string {
	cause := e.Err
	var lookup *net.DNSError
	var errno unix.Errno
	switch {
	case errors.As(e.Err, &errno):
		cause = errno
	case !errors.As(e.Err, &lookup):
	case lookup.IsNotFound:
		return fmt.Sprintf("cannot reach %s: no such host\nhint: check the name of the registry", e.Host)
	default:
		cause = fmt.Errorf("its address cannot be looked up (%s)", lookup.Err)
	}
	hint := "check the network connection; minirun load reads images from archives, without a network"
	if errno == unix.ECONNREFUSED {
		hint = "check the name and the port of the registry, and that it is running"
	}
	return fmt.Sprintf("cannot reach %s: %v\nhint: %s", e.Host, cause, hint)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// explainUnreachable returns an UnreachableError if no connection could be made.
func explainUnreachable(err error) error {
	var request *url.Error
	var dial *net.OpError
	var lookup *net.DNSError
	if !errors.As(err, &request) || !(errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &lookup)) {
		return err
	}
	host := ""
	if u, parse := url.Parse(request.URL); parse == nil {
		host = u.Host
	}
	return &UnreachableError{host, err}
}
