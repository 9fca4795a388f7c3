package store

import (
	"context"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"

	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// updateIndex replaces index.json with the result of edit.
func (s *Store) updateIndex(ctx context.Context, edit func([]oci.Descriptor) ([]oci.Descriptor, error)) error {
	lock, err := s.LockIndex(ctx)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	index, err := s.Index()
	if err != nil {
		return err
	}
	if index.Manifests, err = edit(index.Manifests); err != nil {
		return err
	}
	index.Versioned, index.MediaType = specs.Versioned{SchemaVersion: 2}, oci.MediaTypeImageIndex
	if index.Manifests == nil {
		index.Manifests = []oci.Descriptor{}
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	return s.writeFile(filepath.Join(s.Dir, "index.json"), text, 0o644)
}

// SetName gives an image a name. An image that had the name before stays without one until prune.
func (s *Store) SetName(ctx context.Context, name image.Name, d oci.Descriptor) error {
	full := name.String()
	return s.updateIndex(ctx, func(list []oci.Descriptor) ([]oci.Descriptor, error) {
		out := removeName(list, full)
		out = slices.DeleteFunc(out, func(e oci.Descriptor) bool { return e.Digest == d.Digest && refName(e) == "" })
		named := d
		named.Annotations = maps.Clone(d.Annotations)
		if named.Annotations == nil {
			named.Annotations = map[string]string{}
		}
		named.Annotations[oci.AnnotationRefName] = full
		return append(out, named), nil
	})
}

// AddUnnamed lists an image without a name.
func (s *Store) AddUnnamed(ctx context.Context, d oci.Descriptor) error {
	return s.updateIndex(ctx, func(list []oci.Descriptor) ([]oci.Descriptor, error) {
		if slices.ContainsFunc(list, func(e oci.Descriptor) bool { return e.Digest == d.Digest }) {
			return list, nil
		}
		return append(list, d), nil
	})
}

func refName(d oci.Descriptor) string { return d.Annotations[oci.AnnotationRefName] }

// removeName removes a name. Its image stays listed without a name if it has no other.
func removeName(list []oci.Descriptor, full string) []oci.Descriptor {
	var out []oci.Descriptor
	for _, e := range list {
		if refName(e) != full {
			out = append(out, e)
			continue
		}
		other := slices.ContainsFunc(list, func(o oci.Descriptor) bool {
			return o.Digest == e.Digest &&
				refName(o) != full
		})
		if !other {
			e.Annotations = maps.Clone(e.Annotations)
			delete(e.Annotations, oci.AnnotationRefName)
			out = append(out, e)
		}
	}
	return out
}
