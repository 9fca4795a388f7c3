package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/compression"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/namespaces"
)

// A Layer is the content of layer.json, which describes an unpacked layer.
type Layer struct {
	Chain   digest.Digest      `json:"chainID"` // of this layer on top of those below it
	Parent  digest.Digest      `json:"parent,omitempty"`
	DiffID  digest.Digest      `json:"diffID"` // of the uncompressed archive
	Blob    digest.Digest      `json:"blob"`   // the blob that it was unpacked from
	Method  compression.Format `json:"compression"`
	Entries int64              `json:"entries"`
	Bytes   int64              `json:"bytes"`
	LeftOut int64              `json:"leftOut,omitempty"` // number of devices skipped in a user namespace
	Made    Moment             `json:"made,omitzero"`     // set by a build's step, which does not sync; see durable.go
}

// Chains returns the chain IDs of an image's layers, lowest first.
func Chains(i *Image) []digest.Digest {
	return identity.ChainIDs(append([]digest.Digest(nil), i.Config.RootFS.DiffIDs...))
}

// Begin is called with a description of a task and its size in bytes. The returned functions are
// called for progress, with the number of further bytes, and at the end.
type Begin func(what string, size int64) (more func(int64), done func(error))

// Unpack creates the missing directories of an image's layers and records that the image is
// unpacked. The caller must hold the store's lock shared.
func (s *Store) Unpack(ctx context.Context, i *Image, begin Begin) error {
	if _, err := os.Lstat(s.Unpacked(i.ID())); err == nil {
		return nil
	}
	if len(i.Config.RootFS.DiffIDs) != len(i.Manifest.Layers) {
		return fmt.Errorf("image %s: its configuration lists %d layers, but its manifest %d", i.ID(),
			len(i.Config.RootFS.DiffIDs), len(i.Manifest.Layers))
	}
	var lines strings.Builder
	var below []string
	chains := Chains(i)
	for n, chain := range chains {
		if err := image.CheckDigest(i.Config.RootFS.DiffIDs[n].String()); err != nil {
			return fmt.Errorf("image %s: rootfs.diff_ids[%d]: %w", i.ID(), n, err)
		}
		l := Layer{Chain: chain, DiffID: i.Config.RootFS.DiffIDs[n], Blob: i.Manifest.Layers[n].Digest}
		if n > 0 {
			l.Parent = chains[n-1]
		}
		if err := s.unpackLayer(ctx, l, below, begin); err != nil {
			return fmt.Errorf("layer %d of %d, %s: %w", n+1, len(chains), l.Blob, err)
		}
		below = append(below, filepath.Join(s.Layer(chain.String()), "fs"))
		lines.WriteString(chain.String() + "\n")
	}
	return s.writeFile(s.Unpacked(i.ID()), []byte(lines.String()), 0o644)
}

// UnpackLayer creates the directory of one layer from a blob in the store and verifies its diff ID.
// The directory is named by the chain ID or by another key of the caller's choice, which must be
// unique to this content on top of these layers.
func (s *Store) UnpackLayer(ctx context.Context, l Layer, below []string, begin Begin) error {
	return s.unpackLayer(ctx, l, below, begin)
}

func (s *Store) unpackLayer(ctx context.Context, l Layer, below []string, begin Begin) error {
	dir := s.Layer(l.Chain.String())
	if found, err := readLayer(dir); err == nil {
		return sameLayer(found, l)
	}
	lock, err := s.LockObject(ctx, l.Chain.Encoded())
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if found, err := readLayer(dir); err == nil {
		return sameLayer(found, l)
	}
	temporary := s.Temporary("layer-" + l.Chain.Encoded())
	if err := os.MkdirAll(filepath.Join(temporary, "fs"), 0o755); err != nil {
		return err
	}
	err = s.extract(ctx, temporary, l, below, begin)
	if err == nil {
		err = syncFiles(temporary)
	}
	if err == nil {
		err = os.Rename(temporary, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temporary))
	}
	return syncDir(filepath.Dir(dir))
}

// syncFiles writes a whole file system to disk. For thousands of new files, this is faster than
// syncing them one by one.
func syncFiles(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// ProgressWriter is a writer that only reports how many bytes are written.
type ProgressWriter func(int64)

// Write implements io.Writer.
func (t ProgressWriter) Write(p []byte) (int, error) {
	t(int64(len(p)))
	return len(p), nil
}

// sameLayer compares the whole digest, because only half of it is in the name of the directory.
func sameLayer(found *Layer, l Layer) error {
	if found.Chain != l.Chain {
		return fmt.Errorf("its directory contains another layer, %s", found.Chain)
	}
	return nil
}

func readLayer(dir string) (*Layer, error) {
	text, err := os.ReadFile(filepath.Join(dir, "layer.json"))
	if err != nil {
		return nil, err
	}
	var l Layer
	if err := json.Unmarshal(text, &l); err != nil {
		return nil, fmt.Errorf("%s/layer.json: %w", dir, err)
	}
	return &l, nil
}

func (s *Store) extract(ctx context.Context, temporary string, l Layer, below []string, begin Begin) (err error) {
	blob, err := os.Open(s.Blob(l.Blob.String()))
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }()
	info, err := blob.Stat()
	if err != nil {
		return err
	}
	more, done := begin("unpack "+l.Blob.Encoded()[:12], info.Size())
	defer func() { done(err) }()
	archive, err := layer.NewReader(ctx, io.TeeReader(blob, ProgressWriter(more)))
	if err != nil {
		return err
	}
	defer archive.Close()
	result, err := layer.Apply(ctx, filepath.Join(temporary, "fs"), archive,
		layer.Options{Parents: below, UserXattrs: namespaces.Unprivileged()})
	if err != nil {
		return err
	}
	got, err := archive.DiffID()
	if err != nil {
		return fmt.Errorf("read the rest of the archive: %w", err)
	}
	if got != l.DiffID.String() {
		return fmt.Errorf("%w: the uncompressed layer has %s, but rootfs.diff_ids in the configuration lists %s",
			ErrDigest, got, l.DiffID)
	}
	l.Method, l.Entries, l.Bytes, l.LeftOut = archive.Compression, result.Entries, result.Bytes, result.LeftOut
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(temporary, "layer.json"), append(text, '\n'), 0o644)
}

// SetUnpacked records that an image's layers already have directories: those that a build created
// and those of its base image. Keys are their names, lowest first.
func (s *Store) SetUnpacked(id digest.Digest, keys []digest.Digest) error {
	var lines strings.Builder
	for _, k := range keys {
		lines.WriteString(k.String() + "\n")
	}
	return s.writeFile(s.Unpacked(id.String()), []byte(lines.String()), 0o644)
}
