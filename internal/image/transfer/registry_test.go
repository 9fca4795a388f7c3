package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/retry"
)

func TestMain(m *testing.M) {
	retry.Default.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() } // retries do not wait
	os.Exit(m.Run())
}

// openStore returns an empty store. It is locked shared, as commands lock it.
func openStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addImage stores an image with one layer, which is not unpacked, under a name.
func addImage(t *testing.T, s *store.Store, name, layer string) oci.Descriptor {
	t.Helper()
	put := func(mediaType string, v any) oci.Descriptor {
		t.Helper()
		text, isText := v.(string)
		if !isText {
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
		}
		d, err := s.PutDocument(mediaType, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	config := oci.Image{Platform: oci.Platform{OS: "linux", Architecture: "amd64"}}
	config.RootFS = oci.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(layer)}}
	d := put(oci.MediaTypeImageManifest, oci.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		Config: put(oci.MediaTypeImageConfig, config), Layers: []oci.Descriptor{put(oci.MediaTypeImageLayer, layer)},
	})
	if err := s.SetName(context.Background(), parseName(t, name), d); err != nil {
		t.Fatal(err)
	}
	return d
}

func parseName(t *testing.T, text string) image.Name {
	t.Helper()
	n, err := image.ParseName(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// serve starts a registry and returns its host.
func serve(t *testing.T, h http.Handler) (host string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func memoryRegistry() http.Handler { return registry.New(registry.Logger(log.New(io.Discard, "", 0))) }

func noWarning(t *testing.T) func(error) {
	return func(err error) { t.Helper(); t.Errorf("warning: %v", err) }
}

var ignoreProgress = Count(func(string, int64, int64) {})

// TestPushedImageCanBePulled: an image that was pushed arrives unchanged, by its tag and by its
// digest.
func TestPushedImageCanBePulled(t *testing.T) {
	host := serve(t, memoryRegistry())
	from := openStore(t)
	want := addImage(t, from, "app", "a layer")
	i, err := from.OpenImage("app")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := (Registries{}).Push(ctx, from, i, parseName(t, host+"/team/app:1"), 2, ignoreProgress); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{host + "/team/app:1", host + "/team/app@" + want.Digest.String()} {
		source, d, err := (Registries{}).Find(ctx, parseName(t, ref), noWarning(t))
		if err != nil {
			t.Fatal(err)
		}
		if d.Digest != want.Digest || d.MediaType != oci.MediaTypeImageManifest {
			t.Errorf("%s: %+v, want %+v", ref, d, want)
		}
		to := openStore(t)
		if _, err := Fetch(ctx, to, source, d, Options{}, ignoreProgress); err != nil {
			t.Fatal(err)
		}
		for _, b := range []digest.Digest{want.Digest, i.Manifest.Config.Digest, i.Manifest.Layers[0].Digest} {
			if !to.Has(b) {
				t.Errorf("%s: blob %s was not fetched", ref, b)
			}
		}
	}
	if err := (Registries{}).Push(ctx, from, i, parseName(t, host+"/app@"+want.Digest.String()), 1,
		ignoreProgress); err == nil {
		t.Error("an image was pushed without a tag")
	}
}

// TestErrorsHaveHints: the error for a status says what it means, and has one line with a hint.
func TestErrorsHaveHints(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusUnauthorized: "Unauthorized)\nhint: log in with minirun login 127.0.0.1:",
		http.StatusForbidden:    "Forbidden)\nhint: log in with minirun login 127.0.0.1:",
		http.StatusNotFound:     "no such tag or repository", http.StatusTooManyRequests: "Too Many Requests)\nhint: " +
			"log in with minirun login 127.0.0.1:",
		http.StatusTeapot: "418",
	} {
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				w.Header().Set("Retry-After", "3600") // too long to wait
				w.WriteHeader(status)
			}
		}))
		_, _, err := (Registries{}).Find(context.Background(), parseName(t, host+"/app:1"), noWarning(t))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") > 1 {
			t.Errorf("%d: %v, want %q", status, err, want)
		}
	}
}

// TestMirrorsAreTriedFirst: an image comes from the first mirror that has it. Mirrors that fail are
// reported.
func TestMirrorsAreTriedFirst(t *testing.T) {
	own, mirror := memoryRegistry(), memoryRegistry()
	hosts := []string{serve(t, own), serve(t, mirror), serve(t, http.NotFoundHandler())}
	from := openStore(t)
	addImage(t, from, "own", "own layer")
	addImage(t, from, "mirrored", "mirrored layer")
	ctx := context.Background()
	for name, host := range map[string]string{"own": hosts[0], "mirrored": hosts[1]} {
		i, err := from.OpenImage(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Registries{}).Push(ctx, from, i, parseName(t, host+"/"+name+":1"), 1, ignoreProgress); err != nil {
			t.Fatal(err)
		}
	}
	r := Registries{Mirrors: map[string][]string{hosts[0]: {"http://" + hosts[2], hosts[1]}}}
	for name, failures := range map[string]int{"own": 2, "mirrored": 1} {
		var warnings []error
		_, _, err := r.Find(ctx, parseName(t, hosts[0]+"/"+name+":1"),
			func(err error) { warnings = append(warnings, err) })
		if err != nil || len(warnings) != failures {
			t.Errorf("%s: %v, warnings %q", name, err, warnings)
		}
	}
}

// TestManifestTypes: the type of a manifest is that of the response or, if a file server sends it
// with another type, that of the document.
func TestManifestTypes(t *testing.T) {
	const manifest, index = `{"schemaVersion":2,"config":{}}`, `{"schemaVersion":2,"manifests":[]}`
	for _, c := range []struct{ contentType, document, want string }{
		{oci.MediaTypeImageManifest, manifest, oci.MediaTypeImageManifest},
		{"text/plain; charset=utf-8", manifest, oci.MediaTypeImageManifest},
		{"application/json", index, oci.MediaTypeImageIndex},
		{"", `{"mediaType":"` + oci.MediaTypeImageIndex + `"}`, oci.MediaTypeImageIndex},
		{"text/html", "<html>log in</html>", ""},
		{"text/plain", `{"message":"hello"}`, ""},
	} {
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			w.Header()["Content-Type"] = []string{c.contentType}
			_, _ = io.WriteString(w, c.document)
		}))
		_, d, err := (Registries{}).Find(context.Background(), parseName(t, host+"/app:1"), noWarning(t))
		switch {
		case c.want == "" && (err == nil || !strings.Contains(err.Error(), "not a manifest")):
			t.Errorf("%s %s: %v", c.contentType, c.document, err)
		case c.want != "" && (err != nil || d.MediaType != c.want || d.Digest != digest.FromString(c.document)):
			t.Errorf("%s %s: %+v, %v", c.contentType, c.document, d, err)
		}
	}
}

// TestTruncatedManifestIsRequestedAgain: without a length in the response, only the document shows
// that its end is missing.
func TestTruncatedManifestIsRequestedAgain(t *testing.T) {
	const manifest = `{"schemaVersion":2,"config":{}}`
	for truncated, want := range map[int]string{2: "", 100: "is incomplete"} {
		requests := 0
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			text := manifest
			if requests++; requests <= truncated {
				text = manifest[:10]
			}
			w.(http.Flusher).Flush() // no Content-Length
			_, _ = io.WriteString(w, text)
		}))
		_, d, err := (Registries{}).Find(context.Background(), parseName(t, host+"/app:1"), noWarning(t))
		if want == "" && (err != nil || d.Digest != digest.FromString(manifest)) || want != "" &&
			(err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d truncated: %v after %d requests", truncated, err, requests)
		}
	}
}

// TestInterruptedBlobContinues: after a broken connection, the rest of a blob is requested, and all
// of it if the server ignores the range.
func TestInterruptedBlobContinues(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	d := oci.Descriptor{MediaType: oci.MediaTypeImageLayer, Digest: digest.FromString(content),
		Size: int64(len(content))}
	for _, ranges := range []bool{true, false} {
		var asked []string
		host := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/v2/":
			case strings.Contains(r.URL.Path, "/manifests/"):
				w.Header().Set("Content-Type", oci.MediaTypeImageManifest)
				_, _ = io.WriteString(w, `{"schemaVersion":2,"config":{}}`)
			default:
				asked = append(asked, r.Header.Get("Range"))
				if len(asked) == 1 {
					w.Header().Set("Content-Length", fmt.Sprint(len(content)))
					_, _ = io.WriteString(w, content[:4000])
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}
				if ranges {
					http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
					return
				}
				_, _ = io.WriteString(w, content)
			}
		}))
		source, _, err := (Registries{}).Find(context.Background(), parseName(t, host+"/app:1"), noWarning(t))
		if err != nil {
			t.Fatal(err)
		}
		text, err := ReadBlob(context.Background(), source, d, d.Size)
		if err != nil || string(text) != content {
			t.Errorf("ranges %v: %d bytes, %v", ranges, len(text), err)
		}
		if !slices.Equal(asked, []string{"", "bytes=4000-"}) {
			t.Errorf("ranges %v: %q", ranges, asked)
		}
	}
}

var errSource = errors.New("the source failed")

// textSource is a source with one blob.
type textSource string

func (s textSource) Open(context.Context, oci.Descriptor, int64) (io.ReadCloser, int64, error) {
	if s == "" {
		return nil, 0, errSource
	}
	return io.NopCloser(strings.NewReader(string(s))), 0, nil
}

func TestReadBlobVerifiesContent(t *testing.T) {
	good := oci.Descriptor{Digest: digest.FromString("content"), Size: 7}
	for name, c := range map[string]struct {
		from  textSource
		desc  oci.Descriptor
		limit int64
		want  string
	}{
		"good":             {"content", good, 7, ""},
		"another content":  {"contents", good, 100, store.ErrDigest.Error()},
		"another size":     {"content", oci.Descriptor{Digest: good.Digest, Size: 6}, 100, store.ErrDigest.Error()},
		"unknown size":     {"content", oci.Descriptor{Digest: good.Digest}, 7, ""},
		"announced size":   {"content", oci.Descriptor{Digest: good.Digest, Size: 101}, 100, "too large: 101 bytes"},
		"too much content": {"content", oci.Descriptor{Digest: good.Digest}, 6, "too large (the limit is 6 bytes)"},
		"no digest":        {"content", oci.Descriptor{Digest: "md5:1"}, 100, "must be sha256"},
		"no source":        {"", good, 100, errSource.Error()},
	} {
		text, err := ReadBlob(context.Background(), c.from, c.desc, c.limit)
		switch {
		case c.want == "" && (err != nil || string(text) != "content"):
			t.Errorf("%s: %q, %v", name, text, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
