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

// layout writes images to a directory. A new directory is created atomically. In an existing
// directory the images are added, and replace those with the same name.
func layout(ctx context.Context, s *store.Store, dest string, images []transfer.NamedImage, p transfer.Progress) error {
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
func addToLayout(ctx context.Context, s *store.Store, dest string, images []transfer.NamedImage, p transfer.Progress) (err error) {
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
	l := &openLayout{root: root, aside: ".minirun-" + rand.Text()}
	defer func() { err = errors.Join(err, root.RemoveAll(l.aside)) }()
	if err := l.readOld(); err != nil {
		return fmt.Errorf("%s: %w", dest, err)
	}
	if err := transfer.Save(ctx, s, images, filepath.Join(dest, l.aside), nil, p); err != nil {
		return err
	}
	return l.move()
}

// An openLayout is a directory to which images are added.
type openLayout struct {
	root  *os.Root
	aside string // temporary directory with a layout of the new images
	index oci.Index
	list  []dockerImage
}

// A dockerImage is an entry of Docker's manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// readOld reads the existing layout, if there is one.
func (l *openLayout) readOld() error {
	if err := l.read(oci.ImageIndexFile, &l.index); err != nil {
		return err
	}
	return l.read(manifestFile, &l.list)
}

func (l *openLayout) read(name string, to any) error {
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
		return fmt.Errorf("read %s, to which the image is to be added: %w", name, err)
	}
	return nil
}

// move moves the new images to their final places.
func (l *openLayout) move() error {
	var index oci.Index
	var list []dockerImage
	if err := errors.Join(l.read(filepath.Join(l.aside, oci.ImageIndexFile), &index), l.read(filepath.Join(l.aside, manifestFile), &list)); err != nil {
		return err
	}
	if err := l.root.MkdirAll(blobsDir, 0o755); err != nil {
		return err
	}
	blobs, err := fs.ReadDir(l.root.FS(), filepath.Join(l.aside, blobsDir))
	if err != nil {
		return err
	}
	for _, b := range blobs {
		if err := l.root.Rename(filepath.Join(l.aside, blobsDir, b.Name()), filepath.Join(blobsDir, b.Name())); err != nil {
			return err
		}
	}
	for _, d := range index.Manifests {
		l.index.Manifests = slices.DeleteFunc(l.index.Manifests, func(o oci.Descriptor) bool { return o.Annotations[nameOfImage] == d.Annotations[nameOfImage] })
	}
	for _, i := range list {
		l.list = slices.DeleteFunc(l.list, func(o dockerImage) bool { return slices.Equal(o.RepoTags, i.RepoTags) })
	}
	l.index.Versioned, l.index.MediaType = specs.Versioned{SchemaVersion: 2}, oci.MediaTypeImageIndex
	l.index.Manifests = append(l.index.Manifests, index.Manifests...)
	l.list = append(l.list, list...)
	if err := l.root.Rename(filepath.Join(l.aside, oci.ImageLayoutFile), oci.ImageLayoutFile); err != nil {
		return err
	}
	return errors.Join(l.write(manifestFile, l.list), l.write(oci.ImageIndexFile, l.index))
}

// write replaces a file.
func (l *openLayout) write(name string, what any) error {
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	aside := filepath.Join(l.aside, name)
	if err := l.root.WriteFile(aside, text, 0o644); err != nil {
		return err
	}
	return l.root.Rename(aside, name)
}
