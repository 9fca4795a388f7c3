package images

import (
	"archive/tar"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	memory "github.com/google/go-containerregistry/pkg/registry"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// A front answers some requests in place of a server, like load balancers, gateways and rate limits
// of registries.
type front struct {
	*httptest.Server
	mutex    sync.Mutex
	requests []string // METHOD PATH RANGE
	faults   []fault
}

// A fault is applied to the first requests that have a method and part of a path.
type fault struct {
	method, path string
	times        int // -1: always
	with         http.HandlerFunc
}

func newFront(t testing.TB, behind http.Handler, faults ...fault) *front {
	t.Helper()
	f := &front{faults: faults}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if with := f.note(q); with != nil {
			with(w, q)
			return
		}
		behind.ServeHTTP(w, q)
	}))
	t.Cleanup(f.Close)
	return f
}

// note records a request, and returns the fault that applies to it.
func (f *front) note(q *http.Request) http.HandlerFunc {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.requests = append(f.requests, q.Method+" "+q.URL.Path+" "+q.Header.Get("Range"))
	for i := range f.faults {
		if x := &f.faults[i]; x.times != 0 && (x.method == "" || x.method == q.Method) && strings.Contains(q.URL.Path, x.path) {
			x.times--
			return x.with
		}
	}
	return nil
}

func (f *front) host() string { return strings.TrimPrefix(f.URL, "http://") }

func (f *front) count(text string) int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.requests), func(q string) bool { return !strings.Contains(q, text) }))
}

// status responds with a status, and headers NAME: VALUE.
func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
	}
}

// hangUp closes the connection without a response, after part of the request's body.
func hangUp(_ http.ResponseWriter, q *http.Request) {
	_, _ = io.CopyN(io.Discard, q.Body, 1000)
	panic(http.ErrAbortHandler)
}

// withoutLengths responds like an HTTP/1.0 server that sends neither lengths nor digests, and that
// closes the connection after some bytes of a body; -1 for all.
func withoutLengths(r *registry, limit int) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		q.Header.Del("Range")
		answer := httptest.NewRecorder()
		r.serve(answer, q)
		body := answer.Body.Bytes()
		if limit >= 0 {
			body = body[:min(limit, len(body))]
		}
		connection, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = connection.Close() }()
		fmt.Fprintf(connection, "HTTP/1.0 %d x\r\nContent-Type: %s\r\n\r\n%s", answer.Code, answer.Header().Get("Content-Type"), body)
	}
}

// inMemory returns a registry to which images can be pushed.
func inMemory(options ...memory.Option) http.Handler {
	return memory.New(append(options, memory.Logger(log.New(io.Discard, "", 0)))...)
}

// twoLayers creates an image whose second layer is large, and returns that layer's digest.
func twoLayers(t testing.TB) (l *layout, d oci.Descriptor, config, large string) {
	t.Helper()
	l = newLayout(t)
	d = l.add("app", runs("sh"), layer{entries: []tar.Header{file("small", "small")}}, layer{entries: []tar.Header{file("large", noise(400_000))}})
	var m oci.Manifest
	readBlob(t, l, d, &m)
	return l, d, m.Config.Digest.String(), m.Layers[1].Digest.String()
}

// typed replaces the Content-Type of a response.
type typed struct {
	http.ResponseWriter
	contentType string
}

func (w typed) WriteHeader(code int) {
	if w.contentType == "" {
		w.Header()["Content-Type"] = nil
	} else {
		w.Header().Set("Content-Type", w.contentType)
	}
	w.ResponseWriter.WriteHeader(code)
}
