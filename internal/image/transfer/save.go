package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/atomicfile"
	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// A NamedImage is an image to be written, and its name in the archive.
type NamedImage struct {
	Name  string // full name; "" for none
	Image *store.Image
}

// A sink receives the files of an image layout.
type sink interface {
	put(name string, size int64, content io.Reader) error
}

// Save writes images as an OCI image layout with Docker's manifest.json next to index.json. Both
// refer to the same blobs, so `docker load`, podman and OCI tools can read it. If dir is set, the
// layout is a directory, otherwise an archive written to out.
func Save(ctx context.Context, s *store.Store, images []NamedImage, dir string, out io.Writer, p Progress) error {
	if dir != "" {
		if _, err := os.Lstat(filepath.Join(dir, "index.json")); err == nil {
			return fmt.Errorf("save: %s already contains an image layout\nhint: choose a new directory", dir)
		}
		if err := atomicfile.CheckDirectory(dir); err != nil {
			return fmt.Errorf("save: %w", err)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		return save(ctx, s, images, dirSink(dir), p)
	}
	t := tarSink{tar.NewWriter(ctxio.NewWriter(ctx, out))}
	if err := t.directories("blobs", "blobs/sha256"); err != nil {
		return err
	}
	if err := save(ctx, s, images, t, p); err != nil {
		return err
	}
	return t.Close()
}

func save(ctx context.Context, s *store.Store, images []NamedImage, to sink, p Progress) error {
	index := oci.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageIndex,
		Manifests: []oci.Descriptor{}}
	list := []dockerManifest{}
	w := &writer{store: s, to: to, progress: p, written: map[string]bool{}}
	for _, one := range images {
		d := one.Image.Target
		d.Annotations = maps.Clone(d.Annotations) // the image may have another name here
		delete(d.Annotations, oci.AnnotationRefName)
		if n, err := image.ParseName(one.Name); err == nil {
			if d.Annotations == nil {
				d.Annotations = map[string]string{}
			}
			d.Annotations["io.containerd.image.name"], d.Annotations[oci.AnnotationRefName] = n.String(), n.String()
		}
		index.Manifests = append(index.Manifests, d)
		if err := w.writeTree(ctx, one.Image.Target, 0); err != nil {
			return err
		}
		list = append(list, dockerEntry(one))
	}
	for _, doc := range []struct {
		name string
		what any
	}{{"manifest.json", list}, {"index.json", index}, {oci.ImageLayoutFile,
		oci.ImageLayout{Version: oci.ImageLayoutVersion}}} {
		text, err := json.Marshal(doc.what)
		if err == nil {
			err = w.to.put(doc.name, int64(len(text)), bytes.NewReader(text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func dockerEntry(one NamedImage) dockerManifest {
	out := dockerManifest{Config: blobPath(one.Image.Manifest.Config), RepoTags: []string{}, Layers: []string{}}
	if n, err := image.ParseName(one.Name); err == nil && n.Tag != "" {
		n.Digest = ""
		out.RepoTags = append(out.RepoTags, n.Familiar())
	}
	for _, l := range one.Image.Manifest.Layers {
		out.Layers = append(out.Layers, blobPath(l))
	}
	return out
}

func blobPath(d oci.Descriptor) string { return path.Join("blobs", "sha256", d.Digest.Encoded()) }

type writer struct {
	store    *store.Store
	to       sink
	progress Progress
	written  map[string]bool
	walk     image.Walk
}

// writeTree writes a manifest or an index and everything in the store that it refers to.
func (w *writer) writeTree(ctx context.Context, d oci.Descriptor, depth int) error {
	if first, err := w.walk.Enter(d.Digest.String(), depth); err != nil || !first {
		return err
	}
	text, err := w.store.ReadDocument(d)
	if err != nil {
		return err
	}
	if err := w.writeBlob(ctx, d); err != nil {
		return err
	}
	var refers struct {
		Manifests []oci.Descriptor `json:"manifests"`
		Config    *oci.Descriptor  `json:"config"`
		Layers    []oci.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(text, &refers); err != nil {
		return fmt.Errorf("%s: %w", d.Digest, err)
	}
	for _, m := range refers.Manifests {
		if w.store.Has(m.Digest) {
			if err := w.writeTree(ctx, m, depth+1); err != nil {
				return err
			}
		}
	}
	if refers.Config != nil {
		refers.Layers = append(refers.Layers, *refers.Config)
	}
	for _, l := range refers.Layers {
		if err := w.writeBlob(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeBlob(ctx context.Context, d oci.Descriptor) error {
	if w.written[d.Digest.String()] {
		return nil
	}
	w.written[d.Digest.String()] = true
	f, err := os.Open(w.store.Blob(d.Digest.String()))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	more, done := w.progress.Begin(abbreviate(d.Digest.String()), d.Size)
	err = w.to.put(blobPath(d), d.Size, ctxio.NewReader(ctx, io.TeeReader(f, store.ProgressWriter(more))))
	done(err)
	return err
}

// tarSink writes an archive that is byte-identical for the same images.
type tarSink struct{ *tar.Writer }

var epoch = time.Unix(0, 0)

func (t tarSink) directories(names ...string) error {
	for _, n := range names {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: n + "/", Mode: 0o755,
			ModTime: epoch}); err != nil {
			return err
		}
	}
	return nil
}

func (t tarSink) put(name string, size int64, content io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644,
		ModTime: epoch}); err != nil {
		return err
	}
	_, err := io.Copy(t, content)
	return err
}

// dirSink writes a directory.
type dirSink string

func (d dirSink) put(name string, _ int64, content io.Reader) error {
	path := filepath.Join(string(d), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
