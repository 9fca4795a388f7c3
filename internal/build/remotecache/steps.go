package remotecache

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/image/transfer"
)

// A Step is a step of a build that can be exported.
type Step struct {
	Record
	Made      export.Layer // its layer in the store
	Unfetched *Record      // it was imported, and its layer was not fetched; nil: Made is here
	InResult  bool         // the layer is one of the result's
}

// Save exports the steps of a build to a cache.
func (s *Set) Save(ctx context.Context, t To, steps []Step) (warnings []error, err error) {
	steps = slices.Clone(steps)
	if !t.Max {
		steps = slices.DeleteFunc(steps, func(s Step) bool { return !s.InResult })
	}
	if err := s.pack(ctx, t.Compression, steps); err != nil {
		return nil, err
	}
	for {
		err := s.save(ctx, t, steps)
		var lost *missingLayerError
		if !errors.As(err, &lost) || ctx.Err() != nil {
			return warnings, err
		}
		// The next build will not find that step, so it will build and export it.
		warnings = append(
			warnings,
			fmt.Errorf(
				"the step %q is not exported, because its layer is no longer in --cache-from %s: %w", lost.record.Text,
				lost.record.source.name, lost.err,
			),
		)
		steps = slices.DeleteFunc(steps, func(o Step) bool { return o.Layer.Digest == lost.record.Layer.Digest })
	}
}

// A missingLayerError means that an imported layer is no longer where its record was found.
type missingLayerError struct {
	record *Record
	err    error
}

func (l *missingLayerError) Error() string { return l.err.Error() }

func (s *Set) save(ctx context.Context, t To, steps []Step) error {
	a, err := s.artifact(steps)
	if err != nil {
		return err
	}
	if t.Type == Local {
		return writeLocal(ctx, t, a, s.damaged)
	}
	registries, err := transfer.ReadRegistries()
	if err != nil {
		return err
	}
	return registries.PushArtifact(ctx, a, t.Ref, 3)
}

// pack creates a blob for every layer that is in the store.
func (s *Set) pack(ctx context.Context, c export.Compression, steps []Step) error {
	var layers []export.Layer
	for _, one := range steps {
		if one.Unfetched == nil {
			layers = append(layers, one.Made)
		}
	}
	slices.SortFunc(layers, func(a, b export.Layer) int { return cmp.Compare(a.Key, b.Key) })
	layers = slices.CompactFunc(layers, func(a, b export.Layer) bool { return a.Key == b.Key })
	if err := export.Pack(ctx, s.store, layers, c, nil); err != nil {
		return err
	}
	packed := map[digest.Digest]*export.Layer{}
	for i := range layers {
		packed[layers[i].Key] = &layers[i]
	}
	for i := range steps {
		if one := &steps[i]; one.Unfetched != nil {
			one.DiffID, one.Layer = one.Unfetched.DiffID, one.Unfetched.Layer
		} else {
			l := packed[one.Made.Key]
			one.DiffID = l.DiffID
			if err := checkLayer(&l.Desc); err != nil {
				return fmt.Errorf("cannot export the layer of %q: %w", one.Text, err)
			}
			one.Layer = bareDescriptor(l.Desc)
		}
	}
	return nil
}

// artifact returns the manifest, the document, and where the blobs are.
func (s *Set) artifact(steps []Step) (transfer.Artifact, error) {
	a := transfer.Artifact{MediaType: oci.MediaTypeImageManifest}
	m := oci.Manifest{
		Versioned: specs.Versioned{
			SchemaVersion: 2,
		}, MediaType: a.MediaType, ArtifactType: MediaType, Layers: []oci.Descriptor{},
	}
	var records []Record
	away := map[digest.Digest]*Record{}
	for _, one := range steps {
		if !slices.ContainsFunc(
			records, func(r Record) bool { return r.Result == one.Result && slices.Equal(r.Keys, one.Keys) },
		) {
			records = append(records, one.Record)
		}
		if one.Unfetched != nil {
			away[one.Layer.Digest] = one.Unfetched
		}
		if !slices.ContainsFunc(m.Layers, func(d oci.Descriptor) bool { return d.Digest == one.Layer.Digest }) {
			m.Layers = append(m.Layers, *one.Layer)
		}
	}
	var err error
	if a.Config, err = Marshal(records); err != nil {
		return a, err
	}
	m.Config = oci.Descriptor{MediaType: MediaType, Digest: digest.FromBytes(a.Config), Size: int64(len(a.Config))}
	a.Layers = m.Layers
	a.Manifest, err = json.Marshal(m)
	a.Open = func(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
		if r := away[d.Digest]; r != nil {
			if err := s.Fetch(ctx, r, func(int64) {}); err != nil {
				return nil, &missingLayerError{r, err}
			}
		}
		return os.Open(s.store.Blob(d.Digest.String()))
	}
	return a, err
}

// InlineDocument returns the document of an inline cache: the steps that produced the image's layers,
// which must have been packed.
func InlineDocument(steps []Step, layers []export.Layer) (json.RawMessage, error) {
	var records []Record
	for _, one := range steps {
		i := slices.IndexFunc(layers, func(l export.Layer) bool { return l.Key == one.Made.Key })
		if !one.InResult || i < 0 {
			continue
		}
		r := one.Record
		r.DiffID, r.Layer = layers[i].DiffID, nil
		records = append(records, r)
	}
	return Marshal(records)
}
