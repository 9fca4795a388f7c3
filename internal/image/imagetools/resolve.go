package imagetools

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/transfer"
)

const (
	maxConfig       = 8 << 20
	attestationType = "application/vnd.docker.attestation.manifest.v1+json"
)

// A Resolver reads the manifests and indexes that sources refer to.
type Resolver struct {
	Registries transfer.Registries
	Warn       func(error) // receives the errors of mirrors
}

// A Resolved is a part, and where to read it and what it refers to.
type Resolved struct {
	Part
	From transfer.Source
}

// Resolve reads the manifest or index of a source.
func (r Resolver) Resolve(ctx context.Context, s Source) (Resolved, error) {
	p, err := r.read(ctx, s)
	if err != nil {
		return p, err
	}
	if p.Index == nil {
		p.Descriptor.Platform, err = platformOf(ctx, p.From, p.Document)
	} else {
		err = p.completePlatforms(ctx)
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w", s.Text, err)
	}
	if err := describe(&p.Descriptor, s.Descriptor); err != nil {
		return p, fmt.Errorf("%s: %w", s.Text, err)
	}
	return p, nil
}

// read is like Resolve, but does not read platforms.
func (r Resolver) read(ctx context.Context, s Source) (p Resolved, err error) {
	var d oci.Descriptor
	if s.Layout != "" {
		p.From, d, err = openLayout(ctx, s)
	} else {
		p.From, d, err = r.find(ctx, s)
	}
	if err != nil {
		return p, err
	}
	if p.Descriptor, p.Document, err = transfer.ReadManifest(ctx, p.From, d); err != nil {
		return p, fmt.Errorf("%s: %w", s.Text, err)
	}
	if !image.IsIndex(p.Descriptor.MediaType) {
		return p, nil
	}
	p.Index = &oci.Index{}
	if err = json.Unmarshal(p.Document, p.Index); err == nil {
		err = image.CheckIndex(len(p.Index.Manifests))
	}
	if err != nil {
		err = fmt.Errorf("%s: index %s: %w", s.Text, p.Descriptor.Digest, err)
	}
	return p, err
}

func (r Resolver) find(ctx context.Context, s Source) (transfer.Source, oci.Descriptor, error) {
	from, d, err := r.Registries.Find(ctx, s.Name, r.Warn)
	if err != nil {
		return nil, d, err
	}
	return from, oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}, nil
}

// openLayout finds an image in an image layout. Both the path and the name after it may contain
// colons: the longest path that is a layout is used.
func openLayout(ctx context.Context, s Source) (transfer.Source, oci.Descriptor, error) {
	fail := func(err error) (transfer.Source, oci.Descriptor, error) {
		return nil, oci.Descriptor{}, fmt.Errorf("%s: %w", s.Text, err)
	}
	dir, tag := "", ""
	for end := len(s.Layout); end > 0 && dir == ""; end = strings.LastIndexByte(s.Layout[:end], ':') {
		if _, err := os.Stat(filepath.Join(s.Layout[:end], oci.ImageLayoutFile)); err == nil {
			dir, tag = s.Layout[:end], strings.TrimPrefix(s.Layout[end:], ":")
		}
	}
	if dir == "" {
		return fail(fmt.Errorf("not an image layout (no %s in the directory)", oci.ImageLayoutFile))
	}
	archive, found, err := transfer.OpenArchive(ctx, dir, "")
	if err != nil {
		return fail(err)
	}
	want, err := image.ParseName(tag)
	if tag != "" && err != nil {
		return fail(err)
	}
	if tag == "" && s.Name.Digest == "" && len(found) != 1 {
		return fail(fmt.Errorf("the layout has %d images\nhint: choose one with :TAG", len(found)))
	}
	for _, f := range found {
		d := oci.Descriptor{MediaType: f.Desc.MediaType, Digest: f.Desc.Digest, Size: f.Desc.Size}
		if (tag == "" || slices.Contains(f.Names, want)) && (s.Name.Digest == "" ||
			s.Name.Digest == d.Digest.String()) {
			return archive, d, nil
		}
	}
	return fail(image.ErrNotFound)
}

// completePlatforms adds the platforms of manifests that an index lists without one.
func (p *Resolved) completePlatforms(ctx context.Context) (err error) {
	for i := range p.Index.Manifests {
		if d := &p.Index.Manifests[i]; lacksPlatform(*d) {
			if d.Platform, err = platformIn(ctx, p.From, *d); err != nil {
				return err
			}
		}
	}
	return nil
}

func lacksPlatform(d oci.Descriptor) bool {
	return d.Platform == nil && attestedImage(d) == "" && !image.IsIndex(d.MediaType)
}

func platformIn(ctx context.Context, from transfer.Source, d oci.Descriptor) (*oci.Platform, error) {
	_, text, err := transfer.ReadManifest(ctx, from, d)
	if err != nil {
		return nil, err
	}
	return platformOf(ctx, from, text)
}

// platformOf reads the platform of a manifest from its configuration. It is nil if the
// configuration is not that of an image.
func platformOf(ctx context.Context, from transfer.Source, manifest []byte) (*oci.Platform, error) {
	var m oci.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if !isConfig(m.Config.MediaType) {
		return nil, nil
	}
	text, err := transfer.ReadBlob(ctx, from, m.Config, maxConfig)
	if err != nil {
		return nil, err
	}
	var config oci.Platform
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", m.Config.Digest, err)
	}
	if config.Architecture == "" {
		return nil, nil // attestation
	}
	if config.OS == "" {
		config.OS = "linux"
	}
	normal := platforms.Normalize(oci.Platform{OS: config.OS, Architecture: config.Architecture,
		Variant: config.Variant})
	return &normal, nil
}

func isConfig(mediaType string) bool {
	return mediaType == oci.MediaTypeImageConfig || mediaType == "application/vnd.docker.container.image.v1+json"
}

// describe applies the fields of a descriptor given by the user.
func describe(d, given *oci.Descriptor) error {
	if given == nil {
		return nil
	}
	if given.MediaType != "" && given.MediaType != d.MediaType {
		return fmt.Errorf("its media type is %s, not %s", d.MediaType, given.MediaType)
	}
	if given.Size != 0 && given.Size != d.Size {
		return fmt.Errorf("it has %d bytes, not %d", d.Size, given.Size)
	}
	d.Annotations, d.URLs, d.Data, d.ArtifactType = given.Annotations, given.URLs, given.Data, given.ArtifactType
	g := given.Platform
	if g == nil {
		return nil
	}
	if d.Platform == nil {
		d.Platform = &oci.Platform{}
	}
	p := d.Platform
	for _, field := range []struct {
		to   *string
		from string
	}{{&p.Architecture, g.Architecture}, {&p.OS, g.OS}, {&p.OSVersion, g.OSVersion}, {&p.Variant, g.Variant}} {
		if field.from != "" {
			*field.to = field.from
		}
	}
	if g.OSFeatures != nil {
		p.OSFeatures = g.OSFeatures
	}
	return nil
}

// attestationOf returns the first attestation manifest in a registry that refers to an image.
func attestationOf(ctx context.Context, from transfer.Source, about oci.Descriptor) (*oci.Descriptor, error) {
	registry, ok := from.(*transfer.Registry)
	if !ok {
		return nil, nil
	}
	list, err := registry.Referrers(ctx, about.Digest, attestationType)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	d, text, err := transfer.ReadManifest(ctx, from, oci.Descriptor{MediaType: list[0].MediaType,
		Digest: list[0].Digest, Size: list[0].Size})
	if err != nil {
		return nil, err
	}
	var m oci.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if m.Subject == nil || m.Subject.Digest != about.Digest {
		return nil, fmt.Errorf("manifest %s does not refer to %s, although the registry lists it as a referrer",
			d.Digest, about.Digest)
	}
	found := Attestation(about.Digest, d)
	return &found, nil
}
