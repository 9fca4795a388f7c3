package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// recording returns a policy that records its waits instead of sleeping.
func recording() (Policy, *[]time.Duration) {
	var waits []time.Duration
	p := Policy{Tries: 4, First: 100 * time.Millisecond, Longest: time.Minute}
	p.Sleep = func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}
	return p, &waits
}

// within reports whether durations are the wanted ones, or up to a tenth longer.
func within(got []time.Duration, want ...time.Duration) bool {
	return slices.EqualFunc(got, want, func(g, w time.Duration) bool { return g >= w && g <= w+w/10 })
}

// answers returns a server that sends the statuses in turn, then repeats the last one. A status of
// 0 closes the connection.
func answers(t *testing.T, header http.Header, statuses ...int) (*httptest.Server, *[]string) {
	t.Helper()
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := statuses[min(len(bodies), len(statuses)-1)]
		bodies = append(bodies, string(body))
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		if status != http.StatusOK {
			for name, list := range header {
				w.Header()[name] = list
			}
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, http.StatusText(status))
	}))
	t.Cleanup(server.Close)
	return server, &bodies
}

// TestTransportRetries checks which requests are retried, how often, and after which wait.
func TestTransportRetries(t *testing.T) {
	const first = 100 * time.Millisecond
	repeatable := func(r *http.Request) bool { return r.Method != http.MethodPatch }
	asks := func(after string) http.Header { return http.Header{"Retry-After": {after}} }
	for name, c := range map[string]struct {
		method   string
		header   http.Header
		statuses []int
		requests int
		status   int
		waits    []time.Duration
	}{
		"at once":                  {"GET", nil, []int{200}, 1, 200, nil},
		"overloaded, then well":    {"GET", nil, []int{503, 502, 200}, 3, 200, []time.Duration{first, 2 * first}},
		"never well":               {"GET", nil, []int{500}, 4, 500, []time.Duration{first, 2 * first, 4 * first}},
		"gateway timeout":          {"HEAD", nil, []int{504, 200}, 2, 200, []time.Duration{first}},
		"not there":                {"GET", nil, []int{404}, 1, 404, nil},
		"asks to wait":             {"GET", asks("7"), []int{429, 200}, 2, 200, []time.Duration{7 * time.Second}},
		"asks to wait, overloaded": {"GET", asks("2"), []int{503, 200}, 2, 200, []time.Duration{2 * time.Second}},
		"asks to wait too long":    {"GET", asks("3600"), []int{429, 200}, 1, 429, nil},
		"asks for a time gone by": {"GET", asks("Sun, 06 Nov 1994 08:49:37 GMT"), []int{429, 200}, 2, 200,
			[]time.Duration{first}},
		"asks for nonsense":         {"GET", asks("soon"), []int{429, 200}, 2, 200, []time.Duration{first}},
		"cut":                       {"GET", nil, []int{0, 0, 200}, 3, 200, []time.Duration{first, 2 * first}},
		"a change that was cut":     {"PUT", nil, []int{0, 200}, 1, 0, nil},
		"a repeatable change":       {"PUT", nil, []int{503, 200}, 2, 200, []time.Duration{first}},
		"another change":            {"PATCH", nil, []int{503, 200}, 1, 503, nil},
		"a change that was refused": {"PATCH", nil, []int{429, 200}, 2, 200, []time.Duration{first}},
	} {
		server, bodies := answers(t, c.header, c.statuses...)
		p, waits := recording()
		var notices []string
		ctx := WithNotice(context.Background(), func(a Attempt) { notices = append(notices, a.String()) })
		var body io.Reader
		if c.method == "PUT" || c.method == "PATCH" {
			body = bytes.NewReader([]byte("content"))
		}
		request, err := http.NewRequestWithContext(ctx, c.method, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		// Without keep-alive, the library does not retry by itself.
		client := &http.Client{Transport: NewTransport(p, &http.Transport{DisableKeepAlives: true}, repeatable)}
		status := 0
		if answer, err := client.Do(request); err == nil {
			status = answer.StatusCode
			_ = answer.Body.Close()
		}
		if status != c.status || len(*bodies) != c.requests || !within(*waits, c.waits...) {
			t.Errorf("%s: status %d after %d requests and %v", name, status, len(*bodies), *waits)
		}
		if body != nil && slices.ContainsFunc(*bodies, func(b string) bool { return b != "content" }) {
			t.Errorf("%s: sent %q", name, *bodies)
		}
		want := len(c.waits)
		if name == "asks to wait too long" {
			want = 1
		}
		if len(notices) != want {
			t.Errorf("%s: reported %q", name, notices)
		}
	}
}

// TestLastAnswerIsReadable: after the last try the caller can read the server's response.
func TestLastAnswerIsReadable(t *testing.T) {
	server, _ := answers(t, nil, http.StatusServiceUnavailable)
	p, _ := recording()
	client := &http.Client{Transport: NewTransport(p, &http.Transport{}, func(*http.Request) bool { return true })}
	get, err := http.NewRequestWithContext(WithTries(context.Background(), 1), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(get)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || string(text) != http.StatusText(http.StatusServiceUnavailable) {
		t.Errorf("%q, %v", text, err)
	}
}

// TestWaitEndsWithContext: a signal interrupts a wait.
func TestWaitEndsWithContext(t *testing.T) {
	server, bodies := answers(t, http.Header{"Retry-After": {"50"}}, http.StatusTooManyRequests)
	ctx, cancel := context.WithCancel(context.Background())
	ctx = WithNotice(ctx, func(Attempt) { cancel() })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		client := &http.Client{Transport: NewTransport(Default, &http.Transport{},
			func(*http.Request) bool { return true })}
		answer, err := client.Do(request)
		if err == nil {
			_ = answer.Body.Close()
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(40 * time.Second):
		t.Fatal("it waits for the server")
	}
	if len(*bodies) != 1 {
		t.Errorf("%d requests", len(*bodies))
	}
}

// flaky is content whose connection closes after some bytes each time it is opened.
type flaky struct {
	content string
	piece   int   // bytes before the connection closes
	resumes bool  // whether it supports offsets
	opened  []int // offsets
	fail    error // error of open, from the second call on
}

func (f *flaky) open(_ context.Context, offset int64) (io.ReadCloser, int64, error) {
	f.opened = append(f.opened, int(offset))
	if len(f.opened) > 1 && f.fail != nil {
		return nil, 0, f.fail
	}
	if !f.resumes {
		offset = 0
	}
	rest := f.content[offset:]
	if len(rest) <= f.piece {
		return io.NopCloser(strings.NewReader(rest)), offset, nil
	}
	return io.NopCloser(io.MultiReader(strings.NewReader(rest[:f.piece]), broken{})), offset, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestReaderResumes: content whose connection was closed continues where it stopped, even if the
// server sends it from the beginning. The tries are limited, and content that no longer exists is
// an error.
func TestReaderResumes(t *testing.T) {
	small, large := "0123456789", strings.Repeat("x", 6*progress)
	gone := errors.New("gone")
	for name, c := range map[string]struct {
		from   flaky
		opened []int
		err    error
	}{
		"not cut": {flaky{content: small, piece: 10}, []int{0}, nil},
		"cut":     {flaky{content: small, piece: 4, resumes: true}, []int{0, 4, 8}, nil},
		"begins again": {flaky{content: small, piece: 10 - 1, resumes: false}, []int{0, 9, 9, 9},
			io.ErrUnexpectedEOF},
		"no progress": {flaky{content: small, piece: 1, resumes: true}, []int{0, 1, 2, 3}, io.ErrUnexpectedEOF},
		"much progress": {flaky{content: large, piece: progress, resumes: true},
			[]int{0, progress, 2 * progress, 3 * progress, 4 * progress, 5 * progress}, nil},
		"gone in the middle": {flaky{content: small, piece: 4, resumes: true, fail: gone}, []int{0, 4}, gone},
	} {
		p, waits := recording()
		r, from, err := NewReader(context.Background(), p, "server", 0, c.from.open)
		if err != nil || from != 0 {
			t.Fatal(from, err)
		}
		text, err := io.ReadAll(r)
		_ = r.Close()
		if !errors.Is(err, c.err) || !slices.Equal(c.from.opened, c.opened) || len(*waits) != len(c.opened)-1 {
			t.Errorf("%s: %v, opened at %v after %v", name, err, c.from.opened, *waits)
		}
		if !strings.HasPrefix(c.from.content, string(text)) || err == nil && len(text) != len(c.from.content) {
			t.Errorf("%s: %d bytes, want %d", name, len(text), len(c.from.content))
		}
	}
	// A server without range requests sends everything again; the reader skips what it has.
	opened := 0
	open := func(context.Context, int64) (io.ReadCloser, int64, error) {
		if opened++; opened == 1 {
			return io.NopCloser(io.MultiReader(strings.NewReader(small[:6]), broken{})), 0, nil
		}
		return io.NopCloser(strings.NewReader(small)), 0, nil
	}
	p, _ := recording()
	r, _, err := NewReader(context.Background(), p, "server", 0, open)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != small {
		t.Errorf("%q, %v", text, err)
	}
}

func TestIsCut(t *testing.T) {
	written := &net.OpError{Op: "write", Net: "tcp", Err: net.ErrClosed} // from net/http, while the body is written
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&url.Error{Op: "Patch", Err: fmt.Errorf("readfrom: %w", written)}, true},
		{&url.Error{Op: "Put", Err: io.EOF}, true},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, true},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, false},
		{context.Canceled, false},
		{errors.New("EOF"), false},
	} {
		if got := IsCut(c.err); got != c.want {
			t.Errorf("IsCut(%v) = %v", c.err, got)
		}
	}
}
