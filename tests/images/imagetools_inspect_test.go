package images

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestImagetoolsInspect: the output is the same as that of buildx for these images.
func TestImagetoolsInspect(t *testing.T) {
	testbundle.Parallel(t)
	f := newFront(t, inMemory())
	i, s := newImages(t, f.host()), newStore(t)
	attested := i.indexOf(i.amd64, i.about)
	i.upload(f.host(), "app", "attest", attested)
	second := i.attestationFor(i.arm64, false)
	i.upload(f.host(), "app", "all", i.indexOf(i.amd64, i.arm64, i.about, second))
	i.upload(f.host(), "app", "nested", i.indexOf(attested))
	app := f.host() + "/app"
	text := strings.NewReplacer("APP", app, "INDEX", attested.Digest.String(), "AMD64", i.amd64.Digest.String(), "ABOUT", i.about.Digest.String()).Replace(`Name:      APP:attest
MediaType: application/vnd.oci.image.index.v1+json
Digest:    INDEX
           
Manifests: 
  Name:        APP:attest@AMD64
  MediaType:   application/vnd.oci.image.manifest.v1+json
  Platform:    linux/amd64
               
  Name:        APP:attest@ABOUT
  MediaType:   application/vnd.oci.image.manifest.v1+json
  Platform:    unknown/unknown
  Annotations: 
    vnd.docker.reference.digest: AMD64
    vnd.docker.reference.type:   attestation-manifest
`)
	for _, args := range [][]string{{}, {"--format", "{{.Manifest}}"}, {"--format", ""}} {
		r := s.Minirun(append(append([]string{"imagetools", "inspect"}, args...), app+":attest")...)
		if r.Exit(t, 0); r.Stdout != text {
			t.Errorf("%q: %s\nwant %s", args, r.Stdout, text)
		}
	}
	for _, c := range [][3]string{ // tag, template, what it prints
		{"alpha", "{{.Name}}", app + ":alpha"},
		{"alpha", "{{.Manifest.Digest}} {{.Manifest.MediaType}} {{.Manifest.Size}}", fmt.Sprintf("%s %s %d", i.amd64.Digest, i.amd64.MediaType, i.amd64.Size)},
		{"alpha", "{{.Image.OS}}/{{.Image.Architecture}} {{.Image.Config.Cmd}}", "linux/amd64 [/amd64]"},
		{"alpha", "{{json .Provenance}}{{json .SBOM}}", "{}{}"},
		{"attest", "{{.Image.Architecture}}", "amd64"},
		{"attest", "{{.Provenance.SLSA.builder}} {{.SBOM.SPDX.name}}", "amd64 amd64"},
		{"attest", "{{range .SBOM.SPDX.packages}}{{.name}}@{{.versionInfo}}{{println}}{{end}}", "p@1"},
		{"nested", "{{.Image.Architecture}} {{.Provenance.SLSA.builder}}", "amd64 amd64"},
		{"all", `{{(index .Image "linux/arm64").Architecture}}`, "arm64"},
		{"all", `{{json (index .Provenance "linux/arm64").SLSA}}`, "{\n  \"builder\": \"arm64\"\n}"},
		{"all", `{{range $p, $s := .SBOM}}{{$p}}={{$s.SPDX.name}} {{end}}`, "linux/amd64=amd64 linux/arm64=arm64"},
		{"all", `{{range .Manifest.Manifests}}{{.Platform.Architecture}} {{end}}`, "amd64 arm64 unknown unknown"},
		{"gamma", `{{.Image.Variant}}`, "v7"},
	} {
		if got := s.Do("imagetools", "inspect", "--format", c[1], app+":"+c[0]); got != c[2] {
			t.Errorf("%s of %s: %q, want %q", c[1], c[0], got, c[2])
		}
	}
	for _, d := range []struct {
		name string
		oci.Descriptor
	}{{"multi", i.index}, {"docker-amd64", i.amd64Docker}} {
		if r := s.Minirun("imagetools", "inspect", "--raw", app+":"+d.name); r.Stdout != string(i.read(d.Descriptor)) {
			t.Errorf("--raw: %s", r.Stdout)
		}
	}
	var all struct {
		Name     string
		Manifest oci.Index
		Image    map[string]oci.Image
	}
	if err := json.Unmarshal([]byte(s.Do("imagetools", "inspect", "--format", "json", app+":all")), &all); err != nil || all.Name != app+":all" || len(all.Manifest.Manifests) != 4 || len(all.Image) != 2 {
		t.Errorf("%v: json: %+v", err, all)
	}
}

// TestImagetoolsReferrers: attestations that a registry lists as referrers of an image are copied
// with it into an index, through the API and through the tag, if they match the registry's
// descriptors.
func TestImagetoolsReferrers(t *testing.T) {
	testbundle.Parallel(t)
	for name, hasInterface := range map[string]bool{"by the interface": true, "by the tag": false} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t, inMemory())
			i, s := newImages(t, f.host()), newStore(t)
			about := i.attestationFor(i.arm64, true)
			list := func(subject oci.Descriptor) {
				entry := oci.Descriptor{MediaType: about.MediaType, Digest: about.Digest, Size: about.Size, ArtifactType: "application/vnd.docker.attestation.manifest.v1+json"}
				index := i.indexOf(oci.Descriptor{MediaType: i.armv7.MediaType, Digest: i.armv7.Digest, Size: i.armv7.Size, ArtifactType: "text/plain"}, entry)
				i.upload(f.host(), "app", about.Digest.String(), about)
				if !hasInterface {
					i.upload(f.host(), "app", strings.Replace(subject.Digest.String(), ":", "-", 1), index)
					return
				}
				f.mutex.Lock()
				defer f.mutex.Unlock()
				f.faults = append(f.faults, fault{"GET", "/referrers/" + subject.Digest.String(), -1, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
					_, _ = w.Write(i.read(index))
				}})
			}
			list(i.arm64)
			got := s.Do("imagetools", "create", "--dry-run", f.host()+"/app:beta", f.host()+"/app:gamma")
			if want := indexText(t, oci.MediaTypeImageIndex, nil, i.arm64, i.armv7, about); got != string(want) {
				t.Errorf("made %s, want %s", got, want)
			}
			s.Do("imagetools", "create", "-t", f.host()+"/new", "--progress=none", f.host()+"/app:beta", f.host()+"/app:gamma")
			if got := s.Do("imagetools", "inspect", "--format", `{{(index .Provenance "linux/arm64").SLSA.builder}}`, f.host()+"/new"); got != "arm64" {
				t.Errorf("the attestation was not copied: %q", got)
			}
			list(i.armv7) // the attestation of another image
			s.Minirun("imagetools", "create", "--dry-run", f.host()+"/app:gamma").Fails(t, "does not refer to")
		})
	}
}

// TestImagetoolsHostileRegistries: invalid responses are errors, and the tag is not written;
// temporary errors are retried.
func TestImagetoolsHostileRegistries(t *testing.T) {
	testbundle.Parallel(t)
	l := newLayout(t)
	big := l.platformImage(oci.Platform{OS: "linux", Architecture: "amd64"}, false, layer{entries: nil}, layer{entries: append(busybox(t).entries, file("noise", noise(300_000)))})
	l.name("app", big)
	var m oci.Manifest
	readBlob(t, l, big, &m)
	blob := m.Layers[1].Digest.String()
	both := l.blob(oci.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}`))
	l.name("both", both)
	l.name("old", l.blob("", []byte(`{"schemaVersion":1,"fsLayers":[{"blobSum":"x"}]}`)))
	deep := big
	for range 6 {
		deep = l.indexOf(deep)
	}
	l.name("deep", deep)
	var many []oci.Descriptor
	for range 600 {
		many = append(many, big)
	}
	l.name("many", l.indexOf(many...))
	l.name("huge", l.blob(oci.MediaTypeImageManifest, []byte(`{"schemaVersion":2,"x":"`+strings.Repeat("x", 5<<20)+`"}`)))
	missing := l.platformImage(oci.Platform{OS: "linux", Architecture: "arm64"}, false)
	missing.Digest = digest.Digest("sha256:" + strings.Repeat("0", 64))
	l.name("missing", l.indexOf(big, missing))
	s := newStore(t)
	create := func(source string) (*front, int, string) {
		to := newFront(t, inMemory())
		r := s.Minirun("imagetools", "create", "-t", to.host()+"/new:1", "--progress=none", source)
		return to, r.Status, r.Stderr
	}
	from := newRegistry(t, l)
	for tag, want := range map[string]string{"both": "ambiguous", "old": "schema 1", "deep": "levels deep", "many": "600 manifests", "huge": "bytes", "missing": "404"} {
		to, status, text := create(from.host() + "/x:" + tag)
		if status == 0 || !strings.Contains(text, want) || to.count("PUT /v2/new/manifests/1") > 0 {
			t.Errorf("%s: status %d, want an error with %q: %s", tag, status, want, text)
		}
	}
	for name, spoilt := range map[string]string{"a spoiled blob": blob, "a spoiled manifest": big.Digest.String(), "a spoiled configuration": m.Config.Digest.String()} {
		from := newRegistry(t, l)
		from.spoil = spoilt
		to, status, text := create(from.host() + "/x@" + big.Digest.String())
		if status == 0 || !strings.Contains(text, "does not match its digest") || to.count("PUT /v2/new/manifests") > 0 || to.count("PUT /v2/new/blobs") > 0 && spoilt == big.Digest.String() {
			t.Errorf("%s: status %d: %s", name, status, text)
		}
	}
	flaky := newFront(t, http.HandlerFunc(newRegistry(t, l).serve), fault{"GET", blob, 1, status(503)}, fault{"GET", blob, 1, hangUp}, fault{"GET", "/manifests/", 1, status(500)}, fault{"HEAD", "/manifests/", 1, status(502)})
	if to, status, text := create(flaky.host() + "/x:app"); status != 0 || to.count("PUT /v2/new/manifests/1") != 1 {
		t.Errorf("a flaky registry: status %d: %s", status, text)
	}
	refusing := newFront(t, inMemory(), fault{"PUT", "/manifests/1", -1, status(403)})
	s.Minirun("imagetools", "create", "-t", refusing.host()+"/new:1", "--progress=none", from.host()+"/x:app").Fails(t, "403")
	s.Minirun("imagetools", "inspect", from.host()+"/x:huge").Fails(t, "bytes")
	s.Minirun("imagetools", "inspect", "--format", "{{.Image}}", from.host()+"/x:deep").Fails(t, "levels deep")
	colours := l.indexOf(oci.Descriptor{MediaType: big.MediaType, Digest: big.Digest, Size: big.Size, Platform: big.Platform, Annotations: map[string]string{"a": "\x1b[31mred"}})
	l.name("colours", colours)
	if got := s.Do("imagetools", "inspect", from.host()+"/x:colours"); strings.Contains(got, "\x1b") {
		t.Errorf("an annotation reaches the terminal: %q", got)
	}
}
