package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/tartest"
)

// documents is a registry in memory: blobs by digest.
type documents map[digest.Digest][]byte

// Open implements [Source].
func (d documents) Open(_ context.Context, of oci.Descriptor, _ int64) (io.ReadCloser, int64, error) {
	text, ok := d[of.Digest]
	if !ok {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(text)), 0, nil
}

// linkDocuments splits a fuzz test's text at zero bytes into documents. The first one is requested.
// "@N" in a document is replaced with the digest and size of the Nth document after it, so that the
// fuzzer can write trees of documents with correct digests.
func linkDocuments(text []byte) (documents, oci.Descriptor) {
	const most = 16
	parts := bytes.SplitN(text, []byte{0}, most)
	out := documents{}
	var d oci.Descriptor
	later := make([]string, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		var list []string
		for n := i + 1; n < len(parts); n++ {
			list = append(list, fmt.Sprintf("@%d", n-i), later[n])
		}
		doc := []byte(strings.NewReplacer(list...).Replace(string(parts[i])))
		d = oci.Descriptor{Digest: digest.FromBytes(doc), Size: int64(len(doc))}
		later[i] = fmt.Sprintf(`"digest":"%s","size":%d`, d.Digest, d.Size)
		out[d.Digest] = doc
	}
	return out, d
}

const (
	manifestText = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json",@1},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",@2}]}`
	configText = `{"architecture":"amd64","os":"linux","config":{"Env":["A=b"]},"rootfs":{"type":"layers","diff_ids":[]}}`
	indexText  = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` +
		`{"mediaType":"application/vnd.oci.image.manifest.v1+json",@1,"platform":{"architecture":"amd64","os":"linux","variant":"v2"}},` +
		`{"mediaType":"application/vnd.oci.image.index.v1+json",@1}]}`
)

// FuzzFetch: whatever manifests, indexes and configurations a registry serves, fetching them
// terminates, and the store contains only blobs with correct digests.
func FuzzFetch(f *testing.F) {
	for _, text := range []string{
		manifestText + "\x00" + configText + "\x00layer",
		indexText + "\x00" + manifestText + "\x00" + configText + "\x00layer",
		strings.Repeat(indexText+"\x00", 5) + manifestText + "\x00" + configText + "\x00layer",
		`{"schemaVersion":1,"fsLayers":[]}`,
		`{"manifests":[{@1},{@1}]}` + "\x00" + `{"config":{@1},"layers":[{"digest":"sha256:..","size":-1}]}` + "\x00{}",
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	dir := tartest.TempDir(f)
	store, err := store.Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, all bool) {
		from, d := linkDocuments(text)
		got, err := Fetch(context.Background(), store, from, d, Options{All: all}, silent{})
		if err == nil {
			_, _ = store.Load(got, "")
		}
		emptyStore(t, dir, from)
	})
}

// silent is a [Progress] that shows nothing.
type silent struct{}

func (silent) Begin(string, int64) (func(int64), func(error)) {
	return func(int64) {}, func(error) {}
}

// emptyStore removes the blobs of a store, each of which must be in from.
func emptyStore(t *testing.T, dir string, from documents) {
	t.Helper()
	for _, sub := range []string{"blobs/sha256", "tmp", "locks"} {
		files, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			path := filepath.Join(dir, sub, f.Name())
			if sub == "blobs/sha256" {
				text, err := os.ReadFile(path)
				want, ok := from[digest.NewDigestFromEncoded(digest.SHA256, f.Name())]
				if err != nil || !ok || !bytes.Equal(text, want) {
					t.Errorf("blob %s: %q, %v", f.Name(), text, err)
				}
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// scripted answers requests to a registry with what the fuzzer wrote.
type scripted struct {
	challenge, token string
	status           byte
	manifest         []byte
}

// RoundTrip implements http.RoundTripper.
func (s scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	a := &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Request: r}
	text := []byte(nil)
	switch path := r.URL.Path; {
	case path == "/v2/" && s.challenge != "":
		a.StatusCode = http.StatusUnauthorized
		a.Header.Set("WWW-Authenticate", s.challenge)
	case path == "/v2/":
	case strings.HasPrefix(path, "/v2/"):
		statuses := []int{http.StatusOK, http.StatusOK, http.StatusNotFound, http.StatusUnauthorized,
			http.StatusForbidden, http.StatusTooManyRequests}
		a.StatusCode = statuses[int(s.status)%len(statuses)]
		a.Header.Set("Content-Type", oci.MediaTypeImageManifest)
		text = s.manifest
		if s.status >= 0x80 {
			a.Header.Set("Docker-Content-Digest", digest.FromBytes(text).String())
		}
	default:
		text = []byte(s.token)
	}
	a.ContentLength = int64(len(text))
	a.Header.Set("Content-Length", fmt.Sprint(len(text)))
	if r.Method == http.MethodHead {
		text = nil
	}
	a.Body = io.NopCloser(bytes.NewReader(text))
	return a, nil
}

// FuzzRegistry: whatever a registry and its token server answer, finding an image terminates with
// an error or a descriptor with a valid digest.
func FuzzRegistry(f *testing.F) {
	bearer := `Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull"`
	f.Add("", "", byte(0), []byte(manifestText))
	f.Add(bearer, `{"token":"x","expires_in":60,"issued_at":"2026-01-01T00:00:00Z"}`, byte(0x84), []byte(manifestText))
	f.Add(bearer, `{"access_token":"x"}`, byte(2),
		[]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"m","detail":{"Tag":"latest"}}]}`))
	f.Add(`Basic realm="x"`, "", byte(3), []byte(`{"errors":[]}`))
	f.Add(`Bearer realm="http://127.0.0.1/",service=`, "{}", byte(4), []byte("x"))
	was := remote.DefaultTransport
	f.Cleanup(func() { remote.DefaultTransport = was })
	f.Setenv("DOCKER_CONFIG", f.TempDir())
	name, err := image.ParseName("registry.example/a/b:latest")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, challenge, token string, status byte, manifest []byte) {
		remote.DefaultTransport = scripted{challenge, token, status, manifest}
		_, d, err := Registries{}.Find(context.Background(), name, func(error) {})
		if err != nil {
			return
		}
		if err := image.CheckDigest(d.Digest.String()); err != nil {
			t.Error(err)
		}
	})
}

// FuzzOpenArchive: whatever members an archive of images has, opening it and reading what it lists
// terminates, and reads nothing outside the archive.
func FuzzOpenArchive(f *testing.F) {
	file := func(name, content string) tartest.Entry {
		return tartest.Entry{Type: tar.TypeReg, Name: name, Mode: 0o644, Content: content}
	}
	link := func(name, to string) tartest.Entry {
		return tartest.Entry{Type: tar.TypeSymlink, Name: name, Link: to, Mode: 0o755}
	}
	config := digest.FromString(configText)
	manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"digest":"%s","size":%d},"layers":[]}`, config,
		len(configText))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"%s","size":%d,"annotations":{"%s":"a:b"}}]}`,
		oci.MediaTypeImageManifest, digest.FromString(manifest), len(manifest), oci.AnnotationRefName)
	f.Add(tartest.Data(
		file("oci-layout", `{"imageLayoutVersion":"1.0.0"}`), file("index.json", index),
		file("blobs/sha256/"+digest.FromString(manifest).Encoded(), manifest), file("blobs/sha256/"+config.Encoded(),
			configText)))
	f.Add(tartest.Data(
		file("manifest.json", `[{"Config":"a","RepoTags":["a:b"],"Layers":["b","c","l/layer.tar"]}]`),
		file("a", `{"rootfs":{"diff_ids":["sha256:a","sha256:b","sha256:c"]}}`), file("b", "\x1f\x8b"), link("c",
			"b"), link("l/layer.tar", "../b")))
	f.Add(tartest.Data(link("index.json", "a"), link("a", "index.json")))
	f.Add(tartest.Data(link("manifest.json", "../etc/passwd"), link("index.json", "/etc/passwd")))
	dir := tartest.TempDir(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		text := tartest.Encode(tartest.Entries(data))
		path := filepath.Join(dir, "archive")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		a, found, err := OpenArchive(context.Background(), path, dir)
		if err != nil {
			return
		}
		defer a.Close()
		for _, one := range found {
			content, _, err := a.Open(context.Background(), one.Desc, 0)
			if err != nil {
				continue
			}
			got, err := io.ReadAll(content)
			_, made := a.docs[one.Desc.Digest.String()]
			if err == nil && !made && !bytes.Contains(text, got) {
				t.Errorf("%q is not in the archive", got)
			}
			_ = content.Close()
		}
	})
}
