package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

const (
	dockerManifestType = "application/vnd.docker.distribution.manifest.v2+json"
	dockerListType     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// platformImage writes an image for a platform, with Docker's media types or those of OCI.
func (l *layout) platformImage(p oci.Platform, ofDocker bool, layers ...layer) oci.Descriptor {
	l.t.Helper()
	c := docker.DockerOCIImage{Image: oci.Image{Created: &when, Platform: p, RootFS: oci.RootFS{Type: "layers"}}, Config: runs("/" + p.Architecture)}
	m := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest, Layers: []oci.Descriptor{}}
	for _, y := range append(layers, layer{entries: []tar.Header{file("arch", p.Architecture)}}) {
		plain := archive(l.t, y.entries)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(plain))
		m.Layers = append(m.Layers, l.packed(plain, y.compression))
	}
	m.Config = l.document(oci.MediaTypeImageConfig, c)
	if ofDocker {
		m.MediaType, m.Config.MediaType = dockerManifestType, "application/vnd.docker.container.image.v1+json"
		for i := range m.Layers {
			m.Layers[i].MediaType = "application/vnd.docker.image.rootfs.diff.tar.gzip"
		}
	}
	d := l.document(m.MediaType, m)
	d.Platform = &p
	return d
}

// attestationFor writes an attestation manifest, and returns its entry in an index.
func (l *layout) attestationFor(about oci.Descriptor, withSubject bool) oci.Descriptor {
	l.t.Helper()
	m := oci.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest, ArtifactType: "application/vnd.docker.attestation.manifest.v1+json",
		Config: l.blob(oci.MediaTypeEmptyJSON, []byte("{}")),
	}
	for kind, predicate := range map[string]string{"https://slsa.dev/provenance/v1": `{"builder":"%s"}`, "https://spdx.dev/Document": `{"name":"%s","packages":[{"name":"p","versionInfo":"1"}]}`} {
		statement := fmt.Sprintf(`{"_type":"https://in-toto.io/Statement/v1","predicateType":%q,"predicate":%s}`, kind, fmt.Sprintf(predicate, about.Platform.Architecture))
		d := l.blob("application/vnd.in-toto+json", []byte(statement))
		d.Annotations = map[string]string{"in-toto.io/predicate-type": kind}
		m.Layers = append(m.Layers, d)
	}
	slices.SortFunc(m.Layers, func(a, b oci.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	if withSubject {
		m.Subject = &oci.Descriptor{MediaType: about.MediaType, Digest: about.Digest, Size: about.Size}
	}
	d := l.document(oci.MediaTypeImageManifest, m)
	d.Platform = &oci.Platform{OS: "unknown", Architecture: "unknown"}
	d.Annotations = map[string]string{"vnd.docker.reference.digest": about.Digest.String(), "vnd.docker.reference.type": "attestation-manifest"}
	return d
}

// indexText returns an index as buildx writes it.
func indexText(t testing.TB, mediaType string, annotations map[string]string, manifests ...oci.Descriptor) []byte {
	t.Helper()
	text, err := json.MarshalIndent(oci.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: manifests, Annotations: annotations}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// indexOf writes an index of manifests.
func (l *layout) indexOf(manifests ...oci.Descriptor) oci.Descriptor {
	l.t.Helper()
	return l.document(oci.MediaTypeImageIndex, oci.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageIndex, Manifests: manifests})
}

// upload uploads an image of a layout with everything that it refers to into a repository.
func (l *layout) upload(host, repository, tag string, d oci.Descriptor) {
	l.t.Helper()
	var refers struct {
		Manifests []oci.Descriptor
		Config    *oci.Descriptor
		Layers    []oci.Descriptor
	}
	readBlob(l.t, l, d, &refers)
	for _, m := range refers.Manifests {
		l.upload(host, repository, m.Digest.String(), m)
	}
	if refers.Config != nil {
		refers.Layers = append(refers.Layers, *refers.Config)
	}
	base := "http://" + host + "/v2/" + repository
	for _, y := range refers.Layers {
		r := l.send(http.MethodPost, base+"/blobs/uploads/", "", nil, http.StatusAccepted)
		at, err := url.Parse(r.Header.Get("Location"))
		if err != nil {
			l.t.Fatal(err)
		}
		at.Scheme, at.Host = "http", host
		q := at.Query()
		q.Set("digest", y.Digest.String())
		at.RawQuery = q.Encode()
		l.send(http.MethodPut, at.String(), "application/octet-stream", l.read(y), http.StatusCreated)
	}
	l.send(http.MethodPut, base+"/manifests/"+tag, d.MediaType, l.read(d), http.StatusCreated)
}

func (l *layout) read(d oci.Descriptor) []byte {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, "blobs/sha256", d.Digest.Encoded()))
	if err != nil {
		l.t.Fatal(err)
	}
	return data
}

func (l *layout) send(method, to, mediaType string, body []byte, want int) *http.Response {
	l.t.Helper()
	q, err := http.NewRequest(method, to, bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if mediaType != "" {
		q.Header.Set("Content-Type", mediaType)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		l.t.Fatal(err)
	}
	text, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if r.StatusCode != want {
		l.t.Fatalf("%s %s: %s: %s", method, to, r.Status, text)
	}
	return r
}

// raw returns a manifest or an index as another tool gets it from a registry.
func raw(t testing.TB, name string) string {
	t.Helper()
	return tool(t, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+name)
}

// someImages has images for three platforms in the repository app of a registry, also with Docker's
// media types, and with attestations in the index multi.
type someImages struct {
	*layout
	host                                                        string
	amd64, arm64, armv7, amd64Docker, arm64Docker, about, index oci.Descriptor
}

func newImages(t testing.TB, host string) *someImages {
	t.Helper()
	l := newLayout(t)
	s := &someImages{layout: l, host: host}
	s.amd64 = l.platformImage(oci.Platform{OS: "linux", Architecture: "amd64"}, false)
	s.arm64 = l.platformImage(oci.Platform{OS: "linux", Architecture: "arm64"}, false)
	s.armv7 = l.platformImage(oci.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, false)
	s.amd64Docker = l.platformImage(oci.Platform{OS: "linux", Architecture: "amd64"}, true)
	s.arm64Docker = l.platformImage(oci.Platform{OS: "linux", Architecture: "arm64"}, true)
	s.about = l.attestationFor(s.amd64, false)
	s.index = l.indexOf(s.amd64, s.arm64, s.about)
	for tag, d := range map[string]oci.Descriptor{"alpha": s.amd64, "beta": s.arm64, "gamma": s.armv7, "docker-amd64": s.amd64Docker, "docker-arm64": s.arm64Docker, "multi": s.index} {
		l.upload(host, "app", tag, d)
	}
	l.upload(host, "other", "armv7", s.armv7)
	return s
}

// TestImagetoolsCreate: the new image has the same document, hence the same digest, that buildx
// creates from these sources, and skopeo finds it with everything that it refers to.
func TestImagetoolsCreate(t *testing.T) {
	testbundle.Parallel(t)
	need(t, "skopeo", "skopeo")
	host := testbundle.Registry(t)
	i := newImages(t, host)
	s := newStore(t)
	app := host + "/app"
	annotated := func(d oci.Descriptor, key, value string) oci.Descriptor {
		d.Annotations = map[string]string{key: value}
		return d
	}
	windows := i.amd64
	windows.Platform = &oci.Platform{OS: "linux", Architecture: "amd64", OSVersion: "10.1"}
	descriptor := filepath.Join(s.Host, "descr.json")
	write(t, descriptor, fmt.Sprintf(`{"digest": %q, "platform": {"os.version": "10.1"}}`, i.amd64.Digest))
	reference, single := filepath.Join(s.Host, "image1"), filepath.Join(s.Host, "image2")
	write(t, reference, app+":alpha\n")
	write(t, single, i.arm64.Digest.String()+"\n")
	ociIndex := func(d ...oci.Descriptor) []byte { return indexText(t, oci.MediaTypeImageIndex, nil, d...) }
	for n, c := range []struct {
		args string
		want []byte
	}{
		{"APP:alpha APP:beta", ociIndex(i.amd64, i.arm64)},
		{"APP:docker-amd64 APP:docker-arm64", indexText(t, dockerListType, nil, i.amd64Docker, i.arm64Docker)},
		{"APP:docker-amd64 APP:beta", ociIndex(i.amd64Docker, i.arm64)},
		{"APP:alpha", ociIndex(i.amd64)},
		{"--prefer-index=false APP:alpha", i.read(i.amd64)},
		{"--prefer-index=false APP:docker-amd64", i.read(i.amd64Docker)},
		{"APP:multi", i.read(i.index)},
		{"--platform linux/amd64,linux/arm64 APP:multi", i.read(i.index)},
		{"APP@DIGEST", i.read(i.index)},
		{"APP:alpha APP:alpha APP:multi", ociIndex(i.amd64, i.arm64, i.about)},
		{"APP:multi APP:gamma", ociIndex(i.amd64, i.arm64, i.about, i.armv7)},
		{"-p linux/amd64 APP:multi", ociIndex(i.amd64, i.about)},
		{"-p linux/arm64 -p linux/arm/v7 APP:multi APP:gamma", ociIndex(i.arm64, i.armv7)},
		{"OTHER:armv7 APP:alpha", ociIndex(i.armv7, i.amd64)},
		// the examples of docs/reference/buildx_imagetools_create.md
		{"--annotation index:org.opencontainers.image.authors=dvdksn APP:alpha APP:beta APP:gamma",
			indexText(t, oci.MediaTypeImageIndex, map[string]string{"org.opencontainers.image.authors": "dvdksn"}, i.amd64, i.arm64, i.armv7)},
		{"-f " + descriptor, ociIndex(windows)},
		{"-f " + reference + " -f " + single, ociIndex(i.amd64, i.arm64)},
		{"--annotation manifest-descriptor[linux/arm64]:a=b=c APP:alpha APP:beta", ociIndex(i.amd64, annotated(i.arm64, "a", "b=c"))},
		{"--annotation index,manifest-descriptor:a=b APP:beta", indexText(t, oci.MediaTypeImageIndex, map[string]string{"a": "b"}, annotated(i.arm64, "a", "b"))},
		{"--annotation index:a=b APP:docker-amd64", indexText(t, oci.MediaTypeImageIndex, map[string]string{"a": "b"}, i.amd64Docker)},
	} {
		args := strings.NewReplacer("APP", app, "OTHER", host+"/other", "DIGEST", i.index.Digest.String()).Replace(c.args)
		repository := app // from one repository with only the digests
		if n%2 == 1 && !strings.Contains(args, "-f ") {
			repository = fmt.Sprintf("%s/new/%d", host, n)
		}
		words := append([]string{"imagetools", "create", "-t", repository + ":new"}, strings.Fields(args)...)
		dry := s.Minirun(append(slices.Clone(words), "--dry-run")...)
		if dry.Exit(t, 0); dry.Stdout != string(c.want)+"\n" {
			t.Errorf("%s: prints %s\nwant %s", c.args, dry.Stdout, c.want)
		}
		got := s.Do(append(words, "--progress=none")...)
		if want := repository + ":new " + digest.FromBytes(c.want).String(); got != want {
			t.Errorf("%s: %q, want %q", c.args, got, want)
		}
		if got := raw(t, repository+":new"); got != string(c.want) {
			t.Errorf("%s: skopeo finds %s\nwant %s", c.args, got, c.want)
		}
		tool(t, "skopeo", "copy", "-q", "--all", "--src-tls-verify=false", "docker://"+repository+":new", "oci:"+t.TempDir()+":all")
	}
}

// TestImagetoolsTags: several tags, what --append adds to, and --metadata-file.
func TestImagetoolsTags(t *testing.T) {
	testbundle.Parallel(t)
	need(t, "skopeo", "skopeo")
	host := testbundle.Registry(t)
	i, s := newImages(t, host), newStore(t)
	file := filepath.Join(s.Host, "metadata.json")
	a, b := host+"/a/b", host+"/c"
	r := s.Minirun("imagetools", "create", "--tag", a+":1", "-t", b, "-t", b+":2", "--metadata-file", file, "--progress", "plain", host+"/app:multi")
	r.Exit(t, 0)
	for _, want := range []string{"[internal] pushing " + a, "[internal] pushing " + b, "pushing " + i.index.Digest.String() + " to " + b + ":2"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("the progress does not show %q: %s", want, r.Stderr)
		}
	}
	for _, name := range []string{a + ":1", b + ":latest", b + ":2"} {
		if got := raw(t, name); got != string(i.read(i.index)) {
			t.Errorf("%s is %s", name, got)
		}
	}
	var meta struct {
		Descriptor oci.Descriptor `json:"containerimage.descriptor"`
		Name       string         `json:"image.name"`
	}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &meta)
	}
	if err != nil || meta.Descriptor.Digest != i.index.Digest || meta.Descriptor.Size != i.index.Size || meta.Name != a+","+b {
		t.Errorf("%v: metadata %s", err, text)
	}
	s.Do("imagetools", "create", "--append", "-t", a+":1", "--progress=none", host+"/other:armv7")
	if got, want := raw(t, a+":1"), indexText(t, oci.MediaTypeImageIndex, nil, i.amd64, i.arm64, i.about, i.armv7); got != string(want) {
		t.Errorf("appended: %s", got)
	}
	s.Do("pull", "-q", "--no-unpack", "--platform", "linux/arm/v7", a+":1")
	s.Do("pull", "-q", "--no-unpack", "--all-platforms", b)
	layoutSource := "oci-layout://" + s.StoreDir + ":" + b + ":latest" // an image in the store
	s.Do("imagetools", "create", "-t", host+"/from/store", "--progress=none", layoutSource)
	if got := raw(t, host+"/from/store"); got != string(i.read(i.index)) {
		t.Errorf("from the store: %s", got)
	}
	s.Check()
}

// TestImagetoolsRejects: mistakes are errors, and nothing is written.
func TestImagetoolsRejects(t *testing.T) {
	testbundle.Parallel(t)
	f := newFront(t, inMemory())
	i, s := newImages(t, f.host()), newStore(t)
	app := f.host() + "/app"
	index := filepath.Join(s.Host, "index.json")
	write(t, index, fmt.Sprintf(`{"digest":%q,"annotations":{"a":"b"}}`, i.index.Digest))
	two := filepath.Join(s.Host, "two")
	write(t, two, app+":alpha\n"+app+":beta\n")
	write(t, filepath.Join(s.Host, "empty"), "\n")
	f.mutex.Lock()
	f.requests = nil
	f.mutex.Unlock()
	for args, want := range map[string]string{
		"":                         "no source is given",
		"APP:alpha":                "--tag",
		"-t NEW --append":          "no source is given",
		"--append --dry-run APP:x": "--append",
		"-t NEW@" + i.amd64.Digest.String() + " APP:alpha": "not a digest",
		"-t NEW APP:nosuch":             "no such tag",
		"-t NEW --append APP:alpha":     "no such tag",
		"-t NEW Upper":                  "lower case",
		"-t NEW {":                      "JSON",
		"-t NEW {}":                     "no digest",
		`-t NEW {"digest":"sha256:12"}`: "64 hexadecimal",
		"-t NEW -f " + two:              "must be a reference",
		"-t NEW -f " + filepath.Join(s.Host, "empty"):                                   "is empty",
		"-t NEW -f " + filepath.Join(s.Host, "none"):                                    "no such file",
		"-t APP:n -f " + index + " APP:alpha":                                           "is an index",
		"-t APP:n {\"digest\":\"" + i.amd64.Digest.String() + "\",\"size\":7}":          "it has",
		"-t APP:n {\"digest\":\"" + i.amd64.Digest.String() + "\",\"mediaType\":\"x\"}": "its media type is",
		"--dry-run " + i.amd64.Digest.String():                                          "REPOSITORY@sha256",
		"-t NEW APP:alpha " + i.amd64.Digest.String():                                   "2 repositories",
		"-t NEW -p linux/s390x APP:multi":                                               "no manifest matches",
		"-t NEW -p linux/arm64 --prefer-index=false APP:alpha":                          "no manifest matches",
		"-t NEW -p a/b/c/d APP:alpha":                                                   "--platform",
		"-t NEW --annotation a=b APP:alpha":                                             "index:a=b",
		"-t NEW --annotation manifest:a=b APP:alpha":                                    "index:a=b",
		"-t NEW --annotation index:a APP:alpha":                                         "KEY=VALUE",
		"-t NEW --annotation manifest-descriptor[linux/s390x]:a=b APP:alpha":            "no manifest is for linux/s390x",
		"-t NEW --progress=foo APP:alpha":                                               "--progress",
		"-t NEW --metadata-file /nosuch/dir/file APP:alpha":                             "--metadata-file",
		"-t NEW oci-layout://" + s.Host + ":x":                                          "not an image layout",
	} {
		words := strings.Fields(strings.NewReplacer("APP", app, "NEW", f.host()+"/new").Replace(args))
		if r := s.Minirun(append([]string{"imagetools", "create"}, words...)...); r.Status == 0 || !strings.Contains(r.Stderr, want) {
			t.Errorf("create %s: status %d, want an error with %q: %s%s", args, r.Status, want, r.Stdout, r.Stderr)
		}
	}
	for _, args := range [][]string{{}, {"a", "b"}, {app + ":nosuch"}, {"--raw", "--format", "json", app + ":alpha"}, {"--format", "{{", app + ":alpha"}, {"--format", "{{.No}}", app + ":alpha"}, {i.amd64.Digest.String()}} {
		if r := s.Minirun(append([]string{"imagetools", "inspect"}, args...)...); r.Status == 0 {
			t.Errorf("inspect %q: %s", args, r.Stdout)
		}
	}
	if f.count("PUT ")+f.count("POST ")+f.count("PATCH ") > 0 {
		t.Errorf("something was written: %q", f.requests)
	}
}

// TestImagetoolsCopies: within a registry blobs are mounted, with a token for both repositories; to a
// different registry they are sent once.
func TestImagetoolsCopies(t *testing.T) {
	testbundle.Parallel(t)
	behind := testbundle.Registry(t)
	newImages(t, behind)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: behind})
	var scopes []string
	var f *front
	f = newFront(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.URL.Path == "/token":
			scopes = append(scopes, strings.Join(q.URL.Query()["scope"], " "))
			fmt.Fprint(w, `{"token":"granted"}`)
		case q.Header.Get("Authorization") != "Bearer granted":
			status(http.StatusUnauthorized, `WWW-Authenticate: Bearer realm="`+f.URL+`/token",service="test"`)(w, q)
		default:
			proxy.ServeHTTP(w, q)
		}
	}))
	s := newStore(t)
	s.Do("imagetools", "create", "-t", f.host()+"/new:1", "--progress=none", f.host()+"/app:multi", f.host()+"/other:armv7")
	if f.count("PATCH ") > 0 || f.count("POST /v2/new/blobs/uploads/") == 0 {
		t.Errorf("the blobs were not mounted: %q", f.requests)
	}
	if last := scopes[len(scopes)-1]; !strings.Contains(last, "repository:new:push,pull") || !strings.Contains(last, "repository:app:pull") || !strings.Contains(last, "repository:other:pull") {
		t.Errorf("the token's scopes: %q", scopes)
	}
	other := newFront(t, inMemory())
	s.Do("imagetools", "create", "-t", other.host()+"/new:1", "-t", other.host()+"/new:2", "--progress=none", f.host()+"/new:1")
	sent := other.count("PATCH ")
	if sent == 0 || sent != other.count("PUT /v2/new/blobs/uploads/") {
		t.Errorf("%d blobs were sent: %q", sent, other.requests)
	}
	s.Do("imagetools", "create", "-t", other.host()+"/new:3", "--progress=none", f.host()+"/new:1")
	if other.count("PATCH ") != sent {
		t.Error("blobs that were there have been sent again")
	}
}
