package remotecache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/transfer"
)

// This file handles a cache in a directory: an OCI image layout with one manifest per tag.
// Files are written to temporary files and renamed, index.json last, so a reader sees either
// the old cache or the new one. Writers are serialized by a lock on .lock. Reads and writes
// cannot leave the directory through a symbolic link (os.Root).

const (
	lockName        = ".lock"
	temporaryPrefix = ".temporary-"
)

// A directory is a transfer.Source.
type directory string

// Open implements transfer.Source.
func (d directory) Open(_ context.Context, of oci.Descriptor, offset int64) (io.ReadCloser, int64, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(blobPath(of.Digest))
	if err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, offset, nil
}

func blobPath(d digest.Digest) string { return path.Join("blobs", "sha256", d.Encoded()) }

// openLocal finds the requested manifest: by its digest, by its tag, or the only one.
func openLocal(_ context.Context, f From) (transfer.Source, oci.Descriptor, error) {
	root, err := os.OpenRoot(f.Src)
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	defer func() { _ = root.Close() }()
	index, err := readIndex(root)
	if err != nil {
		return nil, oci.Descriptor{}, err
	}
	tag := f.Tag
	if tag == "" {
		tag = "latest"
	}
	for _, d := range index.Manifests {
		if f.Digest == d.Digest || f.Digest == "" && hasTag(d, tag) {
			return directory(f.Src), d, nil
		}
	}
	if f.Tag == "" && f.Digest == "" && len(index.Manifests) == 1 {
		return directory(f.Src), index.Manifests[0], nil
	}
	what := "the tag " + tag
	if f.Digest != "" {
		what = f.Digest.String()
	}
	return nil, oci.Descriptor{}, fmt.Errorf(
		"%s is not one of the %d manifests in index.json (%w)", what, len(index.Manifests), fs.ErrNotExist,
	)
}

// hasTag reports whether a manifest has a tag: the tag of a cache, or the name under which an
// image was saved.
func hasTag(d oci.Descriptor, tag string) bool {
	ref := d.Annotations[oci.AnnotationRefName]
	if ref == tag {
		return true
	}
	n, err := image.ParseName(ref)
	return err == nil && strings.Contains(ref, "/") && n.Tag == tag
}

func readIndex(root *os.Root) (*oci.Index, error) {
	f, err := root.Open(oci.ImageIndexFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxDocument))
	if err != nil {
		return nil, err
	}
	var index oci.Index
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", oci.ImageIndexFile, err)
	}
	return &index, nil
}

// A layout is a directory that is being written.
type layout struct {
	root  *os.Root
	lock  *os.File
	count int
}

// writeLocal replaces the cache that has the same tag.
func writeLocal(ctx context.Context, t To, a transfer.Artifact, damaged func(digest.Digest) bool) (err error) {
	w, err := openLayout(ctx, t.Dest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	index, err := readIndex(w.root)
	if errors.Is(err, fs.ErrNotExist) {
		index, err = &oci.Index{}, nil
	}
	if err != nil {
		return err
	}
	before, err := w.previousBlobs(index, t.Tag)
	if err != nil {
		return fmt.Errorf("%s: %w", t.Dest, err)
	}
	d, err := w.writeBlobs(ctx, a, damaged)
	if err != nil {
		return err
	}
	d.Annotations = map[string]string{oci.AnnotationRefName: t.Tag}
	index.Manifests = slices.DeleteFunc(
		index.Manifests, func(o oci.Descriptor) bool { return o.Annotations[oci.AnnotationRefName] == t.Tag },
	)
	index.Manifests = append(index.Manifests, d)
	index.Versioned, index.MediaType = specs.Versioned{SchemaVersion: 2}, oci.MediaTypeImageIndex
	if err := w.writeIndex(index); err != nil {
		return err
	}
	return w.removeUnused(index, before)
}

// openLayout creates the directory, waits for other writers, and removes what a killed writer
// left there.
func openLayout(ctx context.Context, dir string) (w *layout, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w = &layout{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if w.lock, err = w.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err = flock.Wait(ctx, w.lock, unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	if err = w.root.MkdirAll("blobs/sha256", 0o755); err != nil {
		return nil, err
	}
	list, err := fs.ReadDir(w.root.FS(), ".")
	for _, f := range list {
		if strings.HasPrefix(f.Name(), temporaryPrefix) {
			err = errors.Join(err, w.root.Remove(f.Name()))
		}
	}
	return w, err
}

func (w *layout) close() (err error) {
	if w.lock != nil {
		err = w.lock.Close()
	}
	if w.root != nil {
		err = errors.Join(err, w.root.Close())
	}
	return err
}

// previousBlobs returns the blobs of the manifest that has the tag now. It refuses to replace
// something that is not a cache.
func (w *layout) previousBlobs(index *oci.Index, tag string) (map[digest.Digest]bool, error) {
	out := map[digest.Digest]bool{}
	for _, d := range index.Manifests {
		if d.Annotations[oci.AnnotationRefName] != tag {
			continue
		}
		m, err := w.manifest(d)
		switch {
		case errors.Is(err, fs.ErrNotExist), err != nil && d.ArtifactType == MediaType:
			continue // it is missing or damaged, so it cannot be read anyway
		case err != nil:
			return nil, err
		case !strings.HasPrefix(m.Config.MediaType, "application/vnd.minirun.build.cache."):
			return nil, fmt.Errorf("the tag %s is not a build cache\nhint: use another directory or tag=", tag)
		}
		maps.Copy(out, blobsOf(d, m))
	}
	return out, nil
}

func (w *layout) manifest(d oci.Descriptor) (*oci.Manifest, error) {
	text, err := readDocument(context.Background(), rootSource{w.root}, d)
	if err != nil {
		return nil, err
	}
	var m oci.Manifest
	return &m, json.Unmarshal(text, &m)
}

func blobsOf(d oci.Descriptor, m *oci.Manifest) map[digest.Digest]bool {
	out := map[digest.Digest]bool{d.Digest: true, m.Config.Digest: true}
	for _, l := range m.Layers {
		out[l.Digest] = true
	}
	return out
}

// writeBlobs writes all blobs that do not exist yet.
func (w *layout) writeBlobs(
	ctx context.Context, a transfer.Artifact, damaged func(digest.Digest) bool,
) (oci.Descriptor, error) {
	for _, d := range a.Layers {
		if info, err := w.root.Lstat(blobPath(d.Digest)); err == nil && info.Mode().IsRegular() && info.Size() == d.Size &&
			!damaged(d.Digest) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return oci.Descriptor{}, err
		}
		content, err := a.Open(ctx, d)
		if err != nil {
			return oci.Descriptor{}, err
		}
		err = w.write(blobPath(d.Digest), content)
		if err = errors.Join(err, content.Close()); err != nil {
			return oci.Descriptor{}, err
		}
	}
	d := oci.Descriptor{
		MediaType:    a.MediaType,
		ArtifactType: MediaType,
		Digest:       digest.FromBytes(a.Manifest),
		Size:         int64(len(a.Manifest)),
	}
	return d, errors.Join(
		w.write(blobPath(digest.FromBytes(a.Config)), bytes.NewReader(a.Config)),
		w.write(blobPath(d.Digest), bytes.NewReader(a.Manifest)),
	)
}

// writeIndex replaces index.json.
func (w *layout) writeIndex(index *oci.Index) error {
	text, err := json.Marshal(oci.ImageLayout{Version: oci.ImageLayoutVersion})
	if err == nil {
		err = w.write(oci.ImageLayoutFile, bytes.NewReader(text))
	}
	if err != nil {
		return err
	}
	if text, err = json.Marshal(index); err != nil {
		return err
	}
	return w.write(oci.ImageIndexFile, bytes.NewReader(text))
}

// removeUnused removes the blobs of the previous cache that nothing else in the directory uses. If it
// cannot determine that, they stay.
func (w *layout) removeUnused(index *oci.Index, before map[digest.Digest]bool) error {
	for _, d := range index.Manifests {
		m, err := w.manifest(d)
		if err != nil || image.IsIndex(d.MediaType) {
			return nil
		}
		for b := range blobsOf(d, m) {
			delete(before, b)
		}
	}
	for b := range before {
		if image.CheckDigest(b.String()) != nil {
			continue
		}
		if err := w.root.Remove(blobPath(b)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// write creates a file atomically.
func (w *layout) write(name string, content io.Reader) error {
	w.count++
	temporary := temporaryPrefix + strconv.Itoa(w.count)
	f, err := w.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = w.root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", name, err), w.root.Remove(temporary))
	}
	return nil
}

// rootSource reads blobs of an open layout.
type rootSource struct{ root *os.Root }

// Open implements transfer.Source.
func (r rootSource) Open(_ context.Context, d oci.Descriptor, _ int64) (io.ReadCloser, int64, error) {
	f, err := r.root.Open(blobPath(d.Digest))
	return f, 0, err
}
