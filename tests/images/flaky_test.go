package images

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestPullRetriesTemporaryErrors: a pull retries after temporary errors and broken connections, and
// reports it; but not forever, and not if the server asks it to wait for a long time.
func TestPullRetriesTemporaryErrors(t *testing.T) {
	l, d, config, large := twoLayers(t)
	pull := func(t *testing.T, f *front) (*store, string) {
		t.Helper()
		s := newStore(t)
		r := s.Minirun("pull", "--no-unpack", f.host()+"/x:app")
		r.Exit(t, 0)
		if got := s.images()[f.host()+"/x:app"].Digest; got != d.Digest.String() {
			t.Errorf("pulled %q", got)
		}
		s.Check()
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
		testbundle.Parallel(t)
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
		testbundle.Parallel(t)
		f := newFront(t, serve, fault{"GET", "/token", 1, status(503)})
		f.faults = append(f.faults, fault{"GET", "/token", 1, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"token":"granted"}`) }},
			fault{"GET", "/v2/", 1, status(401, `WWW-Authenticate: Bearer realm="`+f.URL+`/token",service="test"`)})
		pull(t, f)
		if f.count("/token") != 2 {
			t.Errorf("%q", f.requests)
		}
	})
	t.Run("cut", func(t *testing.T) {
		testbundle.Parallel(t)
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
		testbundle.Parallel(t)
		pull(t, newFront(t, serve, fault{"GET", large, 1, hangUp}))
	})
	t.Run("no ranges", func(t *testing.T) {
		testbundle.Parallel(t)
		whole := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			q.Header.Del("Range")
			all.serve(w, q)
		})
		pull(t, newFront(t, whole, fault{"GET", large, 1, cut}))
	})
	t.Run("cut without lengths", func(t *testing.T) { // the end of the connection ends the body
		testbundle.Parallel(t)
		f := newFront(t, withoutLengths(all, -1), fault{"GET", large, 1, withoutLengths(all, 150_000)}, fault{"GET", "/manifests/", 1, withoutLengths(all, 30)})
		_, shown := pull(t, f)
		if f.count(large+" bytes=150000-") != 1 || !strings.Contains(shown, "the connection was closed: retrying") || !strings.Contains(shown, "the manifest was truncated: retrying") {
			t.Errorf("%q: shows %s", f.requests, shown)
		}
	})
	t.Run("always cut without lengths", func(t *testing.T) {
		testbundle.Parallel(t)
		f := newFront(t, serve, fault{"GET", large, -1, withoutLengths(all, 100)})
		s := newStore(t)
		s.Minirun("pull", "-q", f.host()+"/x:app").Fails(t, large, "bytes early")
		if len(s.images()) > 0 {
			t.Error("it left an image")
		}
	})
	t.Run("range refused", func(t *testing.T) {
		testbundle.Parallel(t)
		f := newFront(t, serve, fault{"GET", large, 1, cut}, fault{"GET", large, 1, status(416)})
		pull(t, f)
		if f.count(large) != 3 {
			t.Errorf("%q", f.requests)
		}
	})
	t.Run("another range", func(t *testing.T) {
		testbundle.Parallel(t)
		other := func(w http.ResponseWriter, q *http.Request) {
			q.Header.Set("Range", "bytes=10-")
			all.serve(w, q)
		}
		pull(t, newFront(t, serve, fault{"GET", large, 1, cut}, fault{"GET", large, 1, other}))
	})
	t.Run("waits too long", func(t *testing.T) {
		testbundle.Parallel(t)
		f := newFront(t, serve, fault{"", "/manifests/", -1, status(429, "Retry-After: 7200")})
		newStore(t).Minirun("pull", f.host()+"/x:app").Fails(t, "too many requests", "the server asks to wait for 2h0m0s")
		if f.count("GET /v2/x/manifests/") != 1 {
			t.Errorf("%q", f.requests)
		}
	})
	t.Run("not there", func(t *testing.T) {
		testbundle.Parallel(t)
		f := newFront(t, serve, fault{"GET", large, -1, status(404)})
		r := newStore(t).Minirun("pull", f.host()+"/x:app")
		r.Fails(t, "404")
		if f.count(large) != 1 || strings.Contains(r.Stderr, "retrying") {
			t.Errorf("%q: %s", f.requests, r.Stderr)
		}
	})
	t.Run("build", func(t *testing.T) {
		testbundle.Parallel(t)
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
	testbundle.Parallel(t)
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

// TestPullSelectsSupportedChallenge: of several challenges, in one header or in several, the client
// selects one that it supports.
func TestPullSelectsSupportedChallenge(t *testing.T) {
	testbundle.Parallel(t)
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
