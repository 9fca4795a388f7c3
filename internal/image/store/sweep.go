package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/dirsize"
	"github.com/minirun/minirun/internal/image"
)

// references counts what the store's names and containers need. The counts are computed from the
// names and containers each time, because a stored count would be wrong after a process is killed.
type references struct {
	blobs    map[digest.Digest]int
	layers   map[digest.Digest]int // by chain ID
	unpacked map[string]int        // image IDs
	walk     image.Walk
}

// countReferences counts the references to each object.
func (s *Store) countReferences() (*references, error) {
	r := &references{blobs: map[digest.Digest]int{}, layers: map[digest.Digest]int{}, unpacked: map[string]int{}}
	index, err := s.Index()
	if err != nil {
		return nil, err
	}
	for _, d := range index.Manifests {
		if err := s.addReferences(r, d, 0); err != nil {
			return nil, fmt.Errorf("image %s: %w", d.Digest, err)
		}
	}
	ids, err := s.Containers()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		o, err := s.ReadOrigin(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // incomplete, without an image yet: the process that creates it holds the lock
		}
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", id, err)
		}
		d := oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: digest.Digest(o.Manifest)}
		if err := s.addReferences(r, d, 0); err != nil {
			return nil, fmt.Errorf("container %s: image %s: %w", id, o.Manifest, err)
		}
	}
	return r, nil
}

// addReferences counts what a manifest or index needs. Manifests of an index that were not pulled need
// nothing.
func (s *Store) addReferences(r *references, d oci.Descriptor, depth int) error {
	if first, err := r.walk.Enter(d.Digest.String(), depth); err != nil || !first {
		return err
	}
	r.blobs[d.Digest]++
	if image.IsIndex(d.MediaType) {
		var index oci.Index
		if err := s.decode(d, &index); err != nil {
			return err
		}
		for _, m := range index.Manifests {
			if s.Has(m.Digest) {
				if err := s.addReferences(r, m, depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	i, err := s.Load(d, "")
	if err != nil {
		return err
	}
	r.blobs[i.Manifest.Config.Digest]++
	r.unpacked[i.ID()]++
	for _, l := range i.Manifest.Layers {
		r.blobs[l.Digest]++
	}
	for _, c := range s.LayerKeys(i) {
		r.layers[c]++
	}
	return nil
}

// LayerKeys returns the directory names of an image's layers, either as it was unpacked or, if it was
// built, as its steps created them.
func (s *Store) LayerKeys(i *Image) []digest.Digest {
	text, err := os.ReadFile(s.Unpacked(i.ID()))
	if err != nil {
		return Chains(i)
	}
	var out []digest.Digest
	for line := range strings.Lines(string(text)) {
		out = append(out, digest.Digest(strings.TrimSpace(line)))
	}
	return out
}

// SweepResult lists what a sweep removed.
type SweepResult struct {
	Blobs, Layers int
	Bytes         int64
}

// Sweep removes what no name and no container needs, and what killed writers left in tmp. The
// caller must hold the store's lock exclusively.
//
// A reference is removed before the object that it refers to, so a process killed in between leaves
// no reference to a missing object.
func (s *Store) Sweep(ctx context.Context) (out SweepResult, err error) {
	r, err := s.countReferences()
	if err != nil {
		return out, err
	}
	if err := s.forEach(ctx, "containers", func(id string) error {
		if _, err := s.ReadOrigin(id); !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return os.RemoveAll(s.Container(id)) // its creation or its removal was interrupted
	}); err != nil {
		return out, err
	}
	if err := s.forEach(ctx, "unpacked", func(name string) error {
		if r.unpacked[string(digest.NewDigestFromEncoded(digest.SHA256, name))] > 0 {
			return nil
		}
		return os.Remove(filepath.Join(s.Dir, "unpacked", name))
	}); err != nil {
		return out, err
	}
	needed, err := s.buildLayers(ctx)
	if err != nil {
		return out, err
	}
	for chain := range r.layers {
		needed[filepath.Base(s.Layer(chain.String()))] = true
	}
	if err := s.forEach(ctx, "layers", func(name string) error {
		if needed[name] {
			return nil
		}
		out.Layers++
		dir := filepath.Join(s.Dir, "layers", name)
		if l, err := readLayer(dir); err == nil && l.Blob != "" {
			out.Bytes += l.Bytes
		} else { // a build's step: its size was not recorded
			out.Bytes += dirsize.Sum(dir)
		}
		return os.Rename(dir, s.Temporary("gone-"+name)) // atomically; its files are removed below
	}); err != nil {
		return out, err
	}
	if err := s.forEach(ctx, "blobs/sha256", func(name string) error {
		if r.blobs[digest.NewDigestFromEncoded(digest.SHA256, name)] > 0 {
			return nil
		}
		path := filepath.Join(s.Dir, "blobs", "sha256", name)
		if info, err := os.Lstat(path); err == nil {
			out.Bytes += info.Size()
		}
		out.Blobs++
		return os.Remove(path)
	}); err != nil {
		return out, err
	}
	for _, dir := range []string{"tmp", "locks"} { // their owners held the store's lock
		if err := s.forEach(ctx, dir, func(name string) error {
			return os.RemoveAll(filepath.Join(s.Dir, dir,
				name))
		}); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (s *Store) forEach(ctx context.Context, dir string, do func(name string) error) error {
	list, err := os.ReadDir(filepath.Join(s.Dir, dir))
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(f.Name()); err != nil {
			return err
		}
	}
	return nil
}

// A Selection is which unused images to remove: those without a name or, with All, those without a
// container. Only, if it is set, reports whether an image is removed.
type Selection struct {
	All  bool
	Only func(*Image) bool
}

// Prune removes images. Then it sweeps.
func (s *Store) Prune(ctx context.Context, o Selection) (names []string, out SweepResult, err error) {
	used, err := s.usedImages()
	if err != nil {
		return nil, out, err
	}
	err = s.updateIndex(ctx, func(list []oci.Descriptor) (kept []oci.Descriptor, err error) {
		kept, names = s.splitUnused(list, used, o)
		return kept, nil
	})
	if err != nil {
		return nil, out, err
	}
	out, err = s.Sweep(ctx)
	return names, out, err
}

// Unused returns the names of the images that Prune would remove, or the digests of those without a
// name.
func (s *Store) Unused(o Selection) (names []string, err error) {
	used, err := s.usedImages()
	if err != nil {
		return nil, err
	}
	index, err := s.Index()
	if err != nil {
		return nil, err
	}
	_, names = s.splitUnused(index.Manifests, used, o)
	return names, nil
}

// splitUnused splits a list of images into those to keep and the names of the others.
func (s *Store) splitUnused(list []oci.Descriptor, used map[string]bool, o Selection) (kept []oci.Descriptor,
	names []string) {
	for _, d := range list {
		i, err := s.Load(d, "")
		switch {
		case err == nil && used[i.ID()], refName(d) != "" && !o.All:
			kept = append(kept, d)
		case o.Only != nil && (err != nil || !o.Only(i)):
			kept = append(kept, d)
		case refName(d) != "":
			names = append(names, refName(d))
		default:
			names = append(names, d.Digest.String())
		}
	}
	return kept, names
}

// usedImages returns the IDs of the images that containers were created from.
func (s *Store) usedImages() (map[string]bool, error) {
	ids, err := s.Containers()
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, id := range ids {
		if o, err := s.ReadOrigin(id); err == nil {
			out[o.ID] = true
		}
	}
	return out, nil
}
