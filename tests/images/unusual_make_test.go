package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// object is a JSON document that a test may change.
type object = map[string]any

// A saved image is the common part of the archives in this test. A test modifies it before it is
// written.
type saved struct {
	plain  []string // the layers' archives
	blobs  []string // as they are in the archive
	types  []string // media types, of an OCI layout
	paths  []string // of the layers in the archive of docker save
	config object
	prefix string // prefix of all names

	entry    object                // of manifest.json of docker save
	manifest object                // of an OCI layout
	index    object                // its descriptor there
	describe func(i int, d object) // changes a layer's descriptor
	more     []tar.Header
	format   tar.Format
}

// newSaved returns an image with two layers, which contain the files a/f and b.
func newSaved(t *testing.T, layers ...[]tar.Header) *saved {
	t.Helper()
	if layers == nil {
		layers = [][]tar.Header{{dir("a/"), file("a/f", "f")}, {file("b", "b")}}
	}
	s := &saved{entry: object{}, manifest: object{}, index: object{}, config: object{}}
	for _, y := range layers {
		s.add(string(archive(t, y)))
	}
	return s
}

func (s *saved) add(plain string) {
	s.plain, s.blobs = append(s.plain, plain), append(s.blobs, plain)
	s.types = append(s.types, oci.MediaTypeImageLayer)
	s.paths = append(s.paths, strings.Repeat("0", len(s.paths)+1)+"/layer.tar")
}

// all compresses all layers.
func (s *saved) all(t *testing.T, how string) {
	t.Helper()
	for i := range s.blobs {
		s.blobs[i] = squeeze(t, how, s.plain[i])
	}
}

func (s *saved) configuration() []byte {
	ids := []string{}
	for _, p := range s.plain {
		ids = append(ids, digest.FromString(p).String())
	}
	c := object{"architecture": runtime.GOARCH, "os": "linux", "config": object{"Cmd": []string{"sh"}}, "rootfs": object{"type": "layers", "diff_ids": ids}}
	maps.Copy(c, s.config)
	return encode(c)
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// docker returns an archive in the format of docker save.
func (s *saved) docker(t *testing.T) string {
	t.Helper()
	var members []tar.Header
	seen := map[string]bool{}
	for i, p := range s.paths {
		if !seen[p] {
			members = append(members, file(s.prefix+p, s.blobs[i]))
		}
		seen[p] = true
	}
	entry := object{"Config": "config.json", "RepoTags": []string{"x:1"}, "Layers": s.paths}
	maps.Copy(entry, s.entry)
	members = append(members, file(s.prefix+"config.json", string(s.configuration())), file(s.prefix+"manifest.json", string(encode([]object{entry}))))
	return s.pack(t, members)
}

// pack writes the outer archive; members that the test adds come first.
func (s *saved) pack(t *testing.T, members []tar.Header) string {
	t.Helper()
	members = append(s.more, members...)
	for i := range members {
		members[i].Format = s.format
	}
	return string(archive(t, members))
}

// layout returns the members of an OCI layout, except index.json.
func (s *saved) layout() (members []tar.Header, manifest object) {
	put := func(mediaType, content string) object {
		d := digest.FromString(content)
		members = append(members, file(s.prefix+"blobs/sha256/"+d.Encoded(), content))
		return object{"mediaType": mediaType, "digest": d.String(), "size": len(content)}
	}
	layers := []object{}
	for i, b := range s.blobs {
		d := put(s.types[i], b)
		if s.describe != nil {
			s.describe(i, d)
		}
		layers = append(layers, d)
	}
	m := object{"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "config": put(oci.MediaTypeImageConfig, string(s.configuration())), "layers": layers}
	change(m, s.manifest)
	d := put(oci.MediaTypeImageManifest, string(encode(m)))
	d["annotations"] = object{oci.AnnotationRefName: "x:1"}
	change(d, s.index)
	return append(members, file(s.prefix+"oci-layout", `{"imageLayoutVersion":"1.0.0"}`)), d
}

// change sets fields, and removes those whose new value is nil.
func change(o, by object) {
	for k, v := range by {
		if o[k] = v; v == nil {
			delete(o, k)
		}
	}
}

// oci returns an archive of an OCI layout.
func (s *saved) oci(t *testing.T) string {
	t.Helper()
	members, d := s.layout()
	return s.pack(t, append(members, file(s.prefix+"index.json", string(encode(object{"schemaVersion": 2, "manifests": []object{d}})))))
}

// without removes a member from an archive.
func without(t *testing.T, text, name string) string {
	t.Helper()
	var kept []tar.Header
	for _, h := range membersOf(t, text) {
		if h.Name != name {
			kept = append(kept, h)
		}
	}
	return string(archive(t, kept))
}

func membersOf(t *testing.T, text string) (out []tar.Header) {
	t.Helper()
	r := tar.NewReader(strings.NewReader(text))
	for h, err := r.Next(); err == nil; h, err = r.Next() {
		var content bytes.Buffer
		if _, err := content.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		out = append(out, file(h.Name, content.String()))
	}
	return out
}

// squeeze compresses text.
func squeeze(t *testing.T, how, text string) string {
	t.Helper()
	var out bytes.Buffer
	switch how {
	case "plain":
		return text
	case "gzip":
		w := gzip.NewWriter(&out)
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	case "zstd":
		w, err := zstd.NewWriter(&out)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil || w.Close() != nil {
			t.Fatal(err)
		}
	default: // bzip2, xz
		cmd := exec.Command(need(t, how, how+"-utils, or "+how), "-c")
		cmd.Stdin, cmd.Stdout = strings.NewReader(text), &out
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}
