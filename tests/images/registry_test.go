package images

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A registry serves an image layout on loopback (distribution specification), and misbehaves as
// configured.
type registry struct {
	*httptest.Server
	layout *layout

	mutex    sync.Mutex
	cut      map[string]int // digest → bytes after which its next download breaks off; then it is deleted
	requests []string       // METHOD PATH RANGE
	password string         // requires a token, which this password gets
	spoil    string         // digest of a blob that is served with a wrong byte
}

func newRegistry(t testing.TB, l *layout) *registry {
	t.Helper()
	r := &registry{layout: l, cut: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *registry) host() string { return strings.TrimPrefix(r.URL, "http://") }

func (r *registry) serve(w http.ResponseWriter, q *http.Request) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.requests = append(r.requests, q.Method+" "+q.URL.Path+" "+q.Header.Get("Range"))
	if q.URL.Path == "/token" {
		if q.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("user:"+r.password)) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"token":"granted"}`)
		return
	}
	if r.password != "" && q.Header.Get("Authorization") != "Bearer granted" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+r.URL+`/token",service="test"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	parts := strings.Split(strings.TrimPrefix(q.URL.Path, "/v2/"), "/")
	if len(parts) < 3 {
		return
	}
	digest := r.resolve(parts[len(parts)-1])
	data, err := os.ReadFile(filepath.Join(r.layout.dir, "blobs/sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if parts[len(parts)-2] == "manifests" {
		w.Header().Set("Content-Type", r.mediaType(data))
		w.Header().Set("Docker-Content-Digest", digest)
	}
	if digest == r.spoil {
		data[len(data)/2] ^= 1
	}
	if n, ok := r.cut[digest]; ok && q.Method == http.MethodGet {
		if n < 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		r.cut[digest] = -1
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:n])
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, q, "", time.Time{}, strings.NewReader(string(data)))
}

// resolve returns the digest for a tag, which is the last part of any name.
func (r *registry) resolve(ref string) string {
	if strings.HasPrefix(ref, "sha256:") {
		return ref
	}
	for _, d := range r.layout.index.Manifests {
		if d.Annotations["org.opencontainers.image.ref.name"] == ref {
			return d.Digest.String()
		}
	}
	return "none"
}

func (r *registry) mediaType(data []byte) string {
	if strings.Contains(string(data), `"manifests":`) {
		return "application/vnd.oci.image.index.v1+json"
	}
	return "application/vnd.oci.image.manifest.v1+json"
}

// count returns how many requests contain a text.
func (r *registry) count(text string) (n int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, q := range r.requests {
		if strings.Contains(q, text) {
			n++
		}
	}
	return n
}
