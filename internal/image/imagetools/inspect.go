package imagetools

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/transfer"
)

// maxStatement limits the size of an attestation: the SBOM of a large image has about 20 MiB.
const maxStatement = 128 << 20

// A View is an image in a registry or an image layout, in the form that templates use. Data outside
// its manifest or index is read when a template needs it.
type View struct {
	Name     string
	Manifest Manifest
	Raw      []byte `json:"-"` // the manifest or index

	ctx    context.Context
	part   Resolved
	images map[string]entry // by platform; read by list
}

// An entry is the image for a platform, and its attestations.
type entry struct {
	manifest     oci.Descriptor
	attestations []oci.Descriptor
}

// A Manifest describes a manifest, or describes and lists an index.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion,omitempty"` // set for an index
	MediaType     string            `json:"mediaType"`
	Digest        digest.Digest     `json:"digest"`
	Size          int64             `json:"size"`
	Manifests     []oci.Descriptor  `json:"manifests,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`

	text string // printed form
}

// String returns the form that is printed for users.
func (m Manifest) String() string { return m.text }

// A Provenance describes how an image was built.
type Provenance struct {
	SLSA any `json:"SLSA,omitempty"`
}

// An SBOM lists the contents of an image.
type SBOM struct {
	SPDX           any   `json:"SPDX,omitempty"`
	AdditionalSPDX []any `json:"AdditionalSPDXs,omitempty"`
}

// Inspect reads the manifest or index of a source.
func (r Resolver) Inspect(ctx context.Context, s Source) (*View, error) {
	part, err := r.read(ctx, s)
	if err != nil {
		return nil, err
	}
	d := part.Descriptor
	v := &View{Name: s.Text, Raw: part.Document, ctx: ctx, part: part,
		Manifest: Manifest{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}}
	full := s.Text
	if s.Layout == "" {
		full = s.Name.String()
	}
	if i := part.Index; i != nil {
		v.Manifest.SchemaVersion, v.Manifest.Manifests, v.Manifest.Annotations = i.SchemaVersion, i.Manifests,
			i.Annotations
	}
	v.Manifest.text = describeManifest(full, v.Manifest)
	return v, nil
}

// list finds the images of an index and of the indexes in it.
func (v *View) list() (map[string]entry, error) {
	if v.images != nil {
		return v.images, nil
	}
	found := map[string]entry{}
	if v.part.Index == nil {
		found[""] = entry{manifest: v.part.Descriptor}
		v.images = found
		return found, nil
	}
	var walk image.Walk
	if err := v.collect(&walk, found, v.part.Part, 0); err != nil {
		return nil, err
	}
	v.images = found
	return found, nil
}

func (v *View) collect(walk *image.Walk, found map[string]entry, p Part, depth int) error {
	if first, err := walk.Enter(p.Descriptor.Digest.String(), depth); err != nil || !first {
		return err
	}
	attestations := map[digest.Digest][]oci.Descriptor{}
	for _, d := range p.Index.Manifests {
		if about := attestedImage(d); about != "" {
			attestations[about] = append(attestations[about], d)
		}
	}
	for _, d := range p.Index.Manifests {
		if image.IsIndex(d.MediaType) {
			nested, err := v.index(d)
			if err == nil {
				err = v.collect(walk, found, nested, depth+1)
			}
			if err != nil {
				return err
			}
			continue
		}
		if lacksPlatform(d) {
			var err error
			if d.Platform, err = platformIn(v.ctx, v.part.From, d); err != nil {
				return err
			}
		}
		if !isImage(d) {
			continue
		}
		platform := platforms.Format(platforms.Normalize(*d.Platform))
		if _, ok := found[platform]; !ok {
			found[platform] = entry{d, attestations[d.Digest]}
		}
	}
	return nil
}

// index reads an index nested in an index.
func (v *View) index(d oci.Descriptor) (Part, error) {
	p := Part{Descriptor: d, Index: &oci.Index{}}
	_, text, err := transfer.ReadManifest(v.ctx, v.part.From, d)
	if err != nil {
		return p, err
	}
	if err = json.Unmarshal(text, p.Index); err == nil {
		err = image.CheckIndex(len(p.Index.Manifests))
	}
	if err != nil {
		return p, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	return p, nil
}

// readAll reads something from every image. The result is the value if there is only one image,
// otherwise a map by platform.
func readAll[T any](v *View, read func(entry) (T, error)) (any, error) {
	images, err := v.list()
	if err != nil || len(images) == 0 {
		return nil, err
	}
	all := map[string]T{}
	for platform, e := range images {
		one, err := read(e)
		if err != nil {
			return nil, err
		}
		if len(images) == 1 {
			return one, nil
		}
		all[platform] = one
	}
	return all, nil
}

// Image returns the image's configuration, or a map by platform if there are several.
func (v *View) Image() (any, error) { return readAll(v, v.config) }

func (v *View) config(e entry) (*docker.DockerOCIImage, error) {
	m, err := v.manifest(e.manifest)
	if err != nil {
		return nil, err
	}
	config := &docker.DockerOCIImage{}
	if !isConfig(m.Config.MediaType) {
		return config, nil
	}
	text, err := transfer.ReadBlob(v.ctx, v.part.From, m.Config, maxConfig)
	if err == nil {
		err = json.Unmarshal(text, config)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", m.Config.Digest, err)
	}
	return config, nil
}

func (v *View) manifest(d oci.Descriptor) (m oci.Manifest, err error) {
	_, text, err := transfer.ReadManifest(v.ctx, v.part.From, d)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return m, image.CheckManifest(len(m.Layers))
}

// The types of predicates.
var (
	provenanceTypes = []string{"https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"}
	sbomTypes       = []string{"https://spdx.dev/Document"}
)

// Provenance returns how the image was built, or a map by platform if there are several.
func (v *View) Provenance() (any, error) {
	return readAll(v, func(e entry) (Provenance, error) {
		found, err := v.predicates(e, provenanceTypes)
		if len(found) == 0 {
			return Provenance{}, err
		}
		return Provenance{SLSA: found[0]}, err
	})
}

// SBOM returns the image's SBOM, or a map by platform if there are several.
func (v *View) SBOM() (any, error) {
	return readAll(v, func(e entry) (SBOM, error) {
		found, err := v.predicates(e, sbomTypes)
		if len(found) == 0 {
			return SBOM{}, err
		}
		return SBOM{found[0], found[1:]}, err
	})
}

// predicates reads the statements about an image whose predicates have one of the types.
func (v *View) predicates(e entry, types []string) (found []any, err error) {
	for _, d := range e.attestations {
		m, err := v.manifest(d)
		if err != nil {
			return nil, err
		}
		for _, y := range m.Layers {
			if !slices.Contains(types, y.Annotations["in-toto.io/predicate-type"]) {
				continue
			}
			text, err := transfer.ReadBlob(v.ctx, v.part.From, y, maxStatement)
			if err != nil {
				return nil, err
			}
			var statement struct {
				Predicate any `json:"predicate"`
			}
			if err := json.Unmarshal(text, &statement); err != nil {
				return nil, fmt.Errorf("attestation %s: %w", y.Digest, err)
			}
			found = append(found, statement.Predicate)
		}
	}
	return found, nil
}

// MarshalJSON implements json.Marshaler. It omits the attestations, which may be large.
func (v *View) MarshalJSON() ([]byte, error) {
	out := struct {
		Name     string   `json:"name"`
		Manifest Manifest `json:"manifest"`
		Image    any      `json:"image,omitempty"`
	}{Name: v.Name, Manifest: v.Manifest}
	var err error
	if out.Image, err = v.Image(); err != nil {
		return nil, err
	}
	return json.Marshal(out)
}
