package images

import (
	"archive/tar"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

// TestPullRetries: a pull retries after temporary errors and broken connections, and reports it; but
// not forever, and not if the server asks it to wait for a long time.
func TestPullRetries(t *testing.T) {
	l, d, config, large := twoLayers(t)
	pull := func(t *testing.T, f *front) (*store, string) {
		t.Helper()
		s := newStore(t)
		r := s.Minirun("pull", "--no-unpack", f.host()+"/x:app")
		r.Exit(t, 0)
		if got := s.images()[f.host()+"/x:app"].Digest; got != d.Digest.String() {
			t.Errorf("pulled %q", got)
		}
		s.check()
		return s, r.Stderr
	}
	cut := func(w http.ResponseWriter, q *http.Request) { // after 150,000 bytes
		data, err := os.ReadFile(filepath.Join(l.dir, "blobs/sha256", strings.TrimPrefix(large, "sha256:")))
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:150_000])
		panic(http.ErrAbortHandler)
	}
	all := newRegistry(t, l)
	serve := http.HandlerFunc(all.serve)

	t.Run("statuses", func(t *testing.T) {
		f := newFront(t, serve,
			fault{"GET", "/manifests/app", 1, status(429, "Retry-After: 1")}, fault{"HEAD", "/manifests/app", 1, status(429)},
			fault{"GET", config, 1, status(500)}, fault{"GET", large, 1, status(502)}, fault{"GET", large, 1, status(504)}, fault{"GET", d.Digest.String(), 1, status(503)})
		_, shown := pull(t, f)
		for _, want := range []string{"429 Too Many Requests: retrying in 1s (try 2 of 6)", "500 Internal Server Error: retrying", "502", "504", "503"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is not shown: %s", want, shown)
			}
		}
	})
	t.Run("token", func(t *testing.T) {
		f := newFront(t, serve, fault{"GET", "/token", 1, status(503)})
		f.faults = append(f.faults, fault{"GET", "/token", 1, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"granted"}`) }},
			fault{"GET", "/v2/", 1, status(401, `WWW-Authenticate: Bearer realm="`+f.URL+`/token",service="test"`)})
		pull(t, f)
		if f.count("/token") != 2 {
			t.Errorf("%q", f.requests)
		}
	})
	t.Run("cut", func(t *testing.T) {
		f := newFront(t, serve, fault{"GET", large, 1, cut})
		_, shown := pull(t, f)
		if f.count(large+" bytes=150000-") != 1 || f.count(large) != 2 {
			t.Errorf("it did not continue where it was cut: %q", f.requests)
		}
		if !strings.Contains(shown, "the connection was closed: retrying") {
			t.Errorf("shows %s", shown)
		}
	})
	t.Run("cut before the answer", func(t *testing.T) {
		pull(t, newFront(t, serve, fault{"GET", large, 1, hangUp}))
	})
	t.Run("no ranges", func(t *testing.T) {
		whole := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			q.Header.Del("Range")
			all.serve(w, q)
		})
		pull(t, newFront(t, whole, fault{"GET", large, 1, cut}))
	})
	t.Run("cut without lengths", func(t *testing.T) { // the end of the connection ends the body
		f := newFront(t, withoutLengths(all, -1), fault{"GET", large, 1, withoutLengths(all, 150_000)}, fault{"GET", "/manifests/", 1, withoutLengths(all, 30)})
		_, shown := pull(t, f)
		if f.count(large+" bytes=150000-") != 1 || !strings.Contains(shown, "the connection was closed: retrying") || !strings.Contains(shown, "the manifest was truncated: retrying") {
			t.Errorf("%q: shows %s", f.requests, shown)
		}
	})
	t.Run("always cut without lengths", func(t *testing.T) {
		f := newFront(t, serve, fault{"GET", large, -1, withoutLengths(all, 100)})
		s := newStore(t)
		s.Minirun("pull", "-q", f.host()+"/x:app").Fails(t, large, "bytes early")
		if len(s.images()) > 0 {
			t.Error("it left an image")
		}
	})
	t.Run("range refused", func(t *testing.T) {
		f := newFront(t, serve, fault{"GET", large, 1, cut}, fault{"GET", large, 1, status(416)})
		pull(t, f)
		if f.count(large) != 3 {
			t.Errorf("%q", f.requests)
		}
	})
	t.Run("another range", func(t *testing.T) {
		other := func(w http.ResponseWriter, q *http.Request) {
			q.Header.Set("Range", "bytes=10-")
			all.serve(w, q)
		}
		pull(t, newFront(t, serve, fault{"GET", large, 1, cut}, fault{"GET", large, 1, other}))
	})
	t.Run("waits too long", func(t *testing.T) {
		f := newFront(t, serve, fault{"", "/manifests/", -1, status(429, "Retry-After: 7200")})
		newStore(t).Minirun("pull", f.host()+"/x:app").Fails(t, "too many requests", "the server asks to wait for 2h0m0s")
		if f.count("GET /v2/x/manifests/") != 1 {
			t.Errorf("%q", f.requests)
		}
	})
	t.Run("not there", func(t *testing.T) {
		f := newFront(t, serve, fault{"GET", large, -1, status(404)})
		r := newStore(t).Minirun("pull", f.host()+"/x:app")
		r.Fails(t, "404")
		if f.count(large) != 1 || strings.Contains(r.Stderr, "retrying") {
			t.Errorf("%q: %s", f.requests, r.Stderr)
		}
	})
	t.Run("build", func(t *testing.T) {
		f := newFront(t, serve, fault{"GET", "/manifests/app", 1, status(503)}, fault{"HEAD", "/manifests/app", 1, status(503)}, fault{"GET", "/small", 1, status(502)})
		s := newStore(t)
		write(t, filepath.Join(s.Host, "context/Dockerfile"), "FROM "+f.host()+"/x:app\nADD "+f.URL+"/v2/x/blobs/"+config+" /small\nADD "+f.URL+"/small /\n")
		r := s.Minirun("build", "--progress", "plain", filepath.Join(s.Host, "context"))
		r.Exit(t, 0)
		for _, want := range []string{"503 Service Unavailable: retrying", "502 Bad Gateway: retrying"} {
			if !strings.Contains(r.Stderr, want) {
				t.Errorf("%q is not shown: %s", want, r.Stderr)
			}
		}
	})
}

// TestPullManifestTypes: a manifest is accepted with any Content-Type, because file servers send
// others; a document that is not a manifest is reported.
func TestPullManifestTypes(t *testing.T) {
	l, d, _, _ := twoLayers(t)
	index := l.document(oci.MediaTypeImageIndex, oci.Index{Manifests: []oci.Descriptor{d}})
	l.name("index", index)
	all := newRegistry(t, l)
	for _, contentType := range []string{"text/plain; charset=utf-8", "application/json", "", "application/vnd.oci.image.manifest.v1+json; charset=utf-8"} {
		front := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { all.serve(typed{w, contentType}, q) }),
			fault{"GET", "/blobs/" + d.Digest.String(), -1, status(404)}, fault{"GET", "/blobs/" + index.Digest.String(), -1, status(404)})
		for _, tag := range []string{"app", "index"} {
			if tag == "index" && strings.Contains(contentType, "manifest") {
				continue
			}
			s := newStore(t)
			if r := s.Minirun("pull", "-q", front.host()+"/x:"+tag); r.Status != 0 {
				t.Errorf("%s as %q: %s", tag, contentType, r.Stderr)
			} else if got := s.images()[front.host()+"/x:"+tag].Digest; got != d.Digest.String() {
				t.Errorf("%s as %q: %s", tag, contentType, got)
			}
		}
	}
	portal := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>log in to this network</html>")
	}))
	newStore(t).Minirun("pull", "-q", portal.host()+"/x:app").Fails(t, "not a manifest", "text/html")
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

// TestPullChallenges: of several challenges, in one header or in several, the client selects one that
// it supports.
func TestPullChallenges(t *testing.T) {
	l, _, _, _ := twoLayers(t)
	all := newRegistry(t, l)
	for name, headers := range map[string][]string{
		"one header":    {`Negotiate, Basic realm="a, b", Bearer realm="%s/token",service="test, all",scope="repository:x:pull"`},
		"Bearer first":  {`Bearer realm="%s/token",service="test", Basic realm="x"`},
		"two headers":   {`Digest realm="x", nonce="n"`, `Basic realm="x", Bearer realm="%s/token",service="test"`},
		"without Basic": {`Negotiate abc==, Bearer service="test",realm="%s/token"`},
	} {
		var url string
		f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/token" {
				if q.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("user:secret")) {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				fmt.Fprint(w, `{"token":"granted"}`)
				return
			}
			if q.Header.Get("Authorization") != "Bearer granted" {
				for _, h := range headers {
					w.Header().Add("WWW-Authenticate", strings.ReplaceAll(h, "%s", url))
				}
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			all.serve(w, q)
		}))
		url = f.URL
		s := newStore(t)
		config := filepath.Join(s.Host, "docker")
		auth := base64.StdEncoding.EncodeToString([]byte("user:secret"))
		write(t, filepath.Join(config, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, f.host(), auth))
		s.Env = []string{"DOCKER_CONFIG=" + config}
		if r := s.Minirun("pull", "-q", f.host()+"/x:app"); r.Status != 0 {
			t.Errorf("%s: %s", name, r.Stderr)
		}
	}
}

// TestPushRetries: a push retries after temporary errors and broken connections, and works without
// HEAD.
func TestPushRetries(t *testing.T) {
	l, d, _, large := twoLayers(t)
	s := newStore(t)
	s.do("load", "-q", "--no-unpack", l.dir)
	push := func(t *testing.T, f *front) string {
		t.Helper()
		r := s.Minirun("push", "app", f.host()+"/x:1")
		r.Exit(t, 0)
		other := newStore(t)
		other.do("pull", "-q", "--no-unpack", f.host()+"/x:1")
		if got := other.images()[f.host()+"/x:1"].Digest; got != d.Digest.String() {
			t.Errorf("pulled %q", got)
		}
		return r.Stderr
	}
	t.Run("statuses", func(t *testing.T) {
		f := newFront(t, inMemory(), fault{"POST", "/uploads/", 1, status(503)}, fault{"PATCH", "/uploads/", 1, status(429)}, fault{"PATCH", "/uploads/", 1, status(500)},
			fault{"PUT", "/uploads/", 1, status(502)}, fault{"PUT", "/manifests/", 1, status(504)}, fault{"HEAD", "/manifests/", 1, status(503)})
		shown := push(t, f)
		for _, want := range []string{"503", "429", "upload: 500", "upload: 502", "504"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q is not shown: %s", want, shown)
			}
		}
	})
	t.Run("cut", func(t *testing.T) { push(t, newFront(t, inMemory(), fault{"PATCH", "/uploads/", 2, hangUp})) })
	for _, code := range []int{http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		t.Run(fmt.Sprintf("HEAD %d", code), func(t *testing.T) {
			f := newFront(t, inMemory(), fault{"HEAD", "/", -1, status(code)})
			push(t, f)
			before := f.count("PATCH ")
			if push(t, f); before == 0 || f.count("PATCH ") != before || f.count("GET /v2/x/blobs/"+large+" bytes=0-0") == 0 {
				t.Errorf("it sent again what the registry has: %q", f.requests)
			}
		})
	}
	t.Run("HEAD without a digest", func(t *testing.T) {
		f := newFront(t, inMemory(), fault{"HEAD", "/manifests/", -1, status(200, "Content-Type: text/plain")})
		push(t, f)
		push(t, f)
	})
}

// TestPushReferrers: a manifest with a subject becomes a referrer of it: through the registry's API,
// or, whatever a registry without this API responds, in the index with the subject's tag
// (distribution specification, "Pushing Manifests with Subject").
func TestPushReferrers(t *testing.T) {
	l, subject, _, _ := twoLayers(t)
	var m oci.Manifest
	readBlob(t, l, subject, &m)
	m.Subject = &subject
	signature := l.document(oci.MediaTypeImageManifest, m)
	l.name("signature", signature)
	for name, c := range map[string]struct {
		options []memory.Option
		faults  []fault
		path    string
	}{
		"interface":          {[]memory.Option{memory.WithReferrersSupport(true)}, nil, "referrers/" + subject.Digest.String()},
		"overloaded":         {[]memory.Option{memory.WithReferrersSupport(true)}, []fault{{"GET", "/referrers/", 1, status(503)}}, "referrers/" + subject.Digest.String()},
		"no interface":       {nil, nil, "manifests/sha256-" + subject.Digest.Encoded()},
		"method not allowed": {nil, []fault{{"", "/referrers/", -1, status(405)}}, "manifests/sha256-" + subject.Digest.Encoded()},
		"not implemented":    {nil, []fault{{"", "/referrers/", -1, status(501)}}, "manifests/sha256-" + subject.Digest.Encoded()},
		"forbidden":          {nil, []fault{{"", "/referrers/", -1, status(403)}}, "manifests/sha256-" + subject.Digest.Encoded()},
	} {
		s := newStore(t)
		s.do("load", "-q", "--no-unpack", l.dir)
		f := newFront(t, inMemory(c.options...), c.faults...)
		s.do("push", "-q", "app", f.host()+"/x:1")
		if r := s.Minirun("push", "-q", "signature", f.host()+"/x:signature"); r.Status != 0 {
			t.Errorf("%s: %s", name, r.Stderr)
			continue
		}
		answer, err := http.Get(f.URL + "/v2/x/" + c.path)
		if err != nil {
			t.Fatal(err)
		}
		var index oci.Index
		err = json.NewDecoder(answer.Body).Decode(&index)
		answer.Body.Close()
		if err != nil || len(index.Manifests) != 1 || index.Manifests[0].Digest != signature.Digest {
			t.Errorf("%s: the referrers are %+v, %v", name, index, err)
		}
	}
}
