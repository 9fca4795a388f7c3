package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/tartest"
	"github.com/minirun/minirun/tests/testbundle"
)

// A layer consists of the entries of its archive and its compression.
type layer struct {
	entries     []tar.Header // Linkname of a regular file is its content
	compression string       // default: gzip
	command     string       // the command in the history entry
}

var when = time.Unix(1700000000, 0)

// Short names for the headers of an archive.
var file, dir, link, hard = tartest.File, tartest.Dir, tartest.Symlink, tartest.Hardlink

// with returns a modified header.
func with(h tar.Header, change func(*tar.Header)) tar.Header {
	change(&h)
	return h
}

func archive(t testing.TB, headers []tar.Header) []byte {
	t.Helper()
	return tartest.Archive(t, when, headers...)
}

// layout is an OCI image layout written by a test.
type layout struct {
	t     testing.TB
	dir   string
	index oci.Index
}

func newLayout(t testing.TB) *layout {
	t.Helper()
	l := &layout{t: t, dir: t.TempDir(), index: oci.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageIndex}}
	l.write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return l
}

func (l *layout) write(name string, data []byte) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		l.t.Fatal(err)
	}
}

func (l *layout) blob(mediaType string, data []byte) oci.Descriptor {
	l.t.Helper()
	d := oci.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	l.write("blobs/sha256/"+d.Digest.Encoded(), data)
	return d
}

func (l *layout) document(mediaType string, v any) oci.Descriptor {
	l.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.blob(mediaType, text)
}

// image writes an image, and returns its manifest.
func (l *layout) image(config docker.DockerOCIImageConfig, layers ...layer) oci.Descriptor {
	l.t.Helper()
	c := docker.DockerOCIImage{Image: oci.Image{Created: &when, Platform: oci.Platform{OS: "linux", Architecture: runtime.GOARCH}, RootFS: oci.RootFS{Type: "layers"}}, Config: config}
	m := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest, Layers: []oci.Descriptor{}}
	for _, y := range layers {
		plain := archive(l.t, y.entries)
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(plain))
		c.History = append(c.History, oci.History{Created: &when, CreatedBy: y.command})
		m.Layers = append(m.Layers, l.packed(plain, y.compression))
	}
	m.Config = l.document(oci.MediaTypeImageConfig, c)
	return l.document(oci.MediaTypeImageManifest, m)
}

func (l *layout) packed(plain []byte, how string) oci.Descriptor {
	l.t.Helper()
	var out bytes.Buffer
	switch how {
	case "plain":
		return l.blob(oci.MediaTypeImageLayer, plain)
	case "zstd":
		w, err := zstd.NewWriter(&out)
		if err == nil {
			_, err = w.Write(plain)
		}
		if err != nil || w.Close() != nil {
			l.t.Fatal(err)
		}
		return l.blob(oci.MediaTypeImageLayerZstd, out.Bytes())
	}
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil || w.Close() != nil {
		l.t.Fatal(err)
	}
	return l.blob(oci.MediaTypeImageLayerGzip, out.Bytes())
}

// add writes an image and gives it a name.
func (l *layout) add(name string, config docker.DockerOCIImageConfig, layers ...layer) oci.Descriptor {
	l.t.Helper()
	d := l.image(config, layers...)
	l.name(name, d)
	return d
}

func (l *layout) name(name string, d oci.Descriptor) {
	l.t.Helper()
	named := d
	named.Annotations = map[string]string{oci.AnnotationRefName: name}
	l.index.Manifests = append(l.index.Manifests, named)
	text, err := json.Marshal(l.index)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("index.json", text)
}

// busybox returns a layer with busybox and users.
func busybox(t testing.TB) layer {
	t.Helper()
	testbundle.Need(t)
	from := t.TempDir()
	testbundle.MakeRootfs(t, from)
	var y layer
	y.command = "ADD busybox"
	err := filepath.WalkDir(from, func(path string, _ os.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		to := ""
		if info.Mode()&os.ModeSymlink != 0 {
			if to, err = os.Readlink(path); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, to)
		if err != nil {
			return err
		}
		*h = tar.Header{Name: strings.TrimPrefix(path, from+"/"), Typeflag: h.Typeflag, Linkname: h.Linkname, Mode: h.Mode}
		if h.Typeflag == tar.TypeReg {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			h.Typeflag, h.Linkname = 0, string(text)
		}
		y.entries = append(y.entries, *h)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	y.entries = append(y.entries, file("etc/group", "root:x:0:\nuser:x:1000:\nfriends:x:50:user,root\n"))
	return y
}

// loaded returns a store with an image called busybox.
func loaded(t testing.TB, config docker.DockerOCIImageConfig, more ...layer) *store {
	t.Helper()
	s := newStore(t)
	l := newLayout(t)
	l.add("busybox", config, append([]layer{busybox(t)}, more...)...)
	s.Do("load", "-q", l.dir)
	return s
}

func runs(argv ...string) docker.DockerOCIImageConfig {
	return docker.DockerOCIImageConfig{ImageConfig: oci.ImageConfig{Cmd: argv}}
}
