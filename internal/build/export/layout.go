package export

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/flock"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// This file handles OCI image layouts that are directories.

const (
	blobsDir     = "blobs/sha256"
	manifestFile = "manifest.json" // Docker's, next to index.json
	nameOfImage  = "io.containerd.image.name"
	maxIndex     = 16 << 20
)

// writeLayout writes images to a directory. A new directory is created atomically. In an existing
// directory the images are added, and replace those with the same name.
func writeLayout(ctx context.Context, s *store.Store, dest string, images []transfer.NamedImage,
	p transfer.Progress) error {
	entries, err := os.ReadDir(dest)
	switch {
	case err == nil && len(entries) > 0:
		return addToLayout(ctx, s, dest, images, p)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	aside := filepath.Clean(dest) + "." + rand.Text()
	err = transfer.Save(ctx, s, images, aside, nil, p)
	if err == nil {
		err = os.Rename(aside, dest)
	}
	if err != nil {
		err = errors.Join(err, os.RemoveAll(aside))
	}
	return err
}

// addToLayout writes a layout to a directory below dest, then moves the blobs to their final
// places, and the index last. It follows no links out of the directory. Other builds that
// write there wait.
func addToLayout(ctx context.Context, s *store.Store, dest string, images []transfer.NamedImage,
	p transfer.Progress) (err error) {
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	lock, err := root.Open(".")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := flock.Wait(ctx, lock, unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", dest, err)
	}
	l := &layoutWriter{root: root, tempDir: ".minirun-" + rand.Text()}
	defer func() { err = errors.Join(err, root.RemoveAll(l.tempDir)) }()
	if err := l.readOld(); err != nil {
		return fmt.Errorf("%s: %w", dest, err)
	}
	if err := transfer.Save(ctx, s, images, filepath.Join(dest, l.tempDir), nil, p); err != nil {
		return err
	}
	return l.moveImages()
}

// An layoutWriter is a directory to which images are added.
type layoutWriter struct {
	root         *os.Root
	tempDir      string // temporary directory with a layout of the new images
	index        oci.Index
	dockerImages []dockerImage
}

// A dockerImage is an entry of Docker's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// readOld reads the existing layout, if there is one.
func (l *layoutWriter) readOld() error {
	if err := l.readJSON(oci.ImageIndexFile, &l.index); err != nil {
		return err
	}
	return l.readJSON(manifestFile, &l.dockerImages)
}

func (l *layoutWriter) readJSON(name string, to any) error {
	f, err := l.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxIndex))
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		return fmt.Errorf("read the existing %s: %w", name, err)
	}
	return nil
}

// moveImages moves the new images to their final places.
func (l *layoutWriter) moveImages() error {
	var index oci.Index
	var list []dockerImage
	if err := errors.Join(l.readJSON(filepath.Join(l.tempDir, oci.ImageIndexFile), &index),
		l.readJSON(filepath.Join(l.tempDir, manifestFile), &list)); err != nil {
		return err
	}
	if err := l.root.MkdirAll(blobsDir, 0o755); err != nil {
		return err
	}
	blobs, err := fs.ReadDir(l.root.FS(), filepath.Join(l.tempDir, blobsDir))
	if err != nil {
		return err
	}
	for _, b := range blobs {
		if err := l.root.Rename(filepath.Join(l.tempDir, blobsDir, b.Name()),
			filepath.Join(blobsDir, b.Name())); err != nil {
			return err
		}
	}
	for _, d := range index.Manifests {
		l.index.Manifests = slices.DeleteFunc(l.index.Manifests,
			func(o oci.Descriptor) bool { return o.Annotations[nameOfImage] == d.Annotations[nameOfImage] })
	}
	for _, i := range list {
		l.dockerImages = slices.DeleteFunc(l.dockerImages,
			func(o dockerImage) bool { return slices.Equal(o.RepoTags, i.RepoTags) })
	}
	l.index.Versioned, l.index.MediaType = specs.Versioned{SchemaVersion: 2}, oci.MediaTypeImageIndex
	l.index.Manifests = append(l.index.Manifests, index.Manifests...)
	l.dockerImages = append(l.dockerImages, list...)
	if err := l.root.Rename(filepath.Join(l.tempDir, oci.ImageLayoutFile), oci.ImageLayoutFile); err != nil {
		return err
	}
	return errors.Join(l.writeJSON(manifestFile, l.dockerImages), l.writeJSON(oci.ImageIndexFile, l.index))
}

// writeJSON replaces a file.
func (l *layoutWriter) writeJSON(name string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	aside := filepath.Join(l.tempDir, name)
	if err := l.root.WriteFile(aside, text, 0o644); err != nil {
		return err
	}
	return l.root.Rename(aside, name)
}
