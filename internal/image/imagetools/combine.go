package imagetools

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// Docker's media types of manifests and manifest lists.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Annotations of an attestation manifest in an index (BuildKit, attestation-storage.md).
const (
	referenceType   = "vnd.docker.reference.type"
	referenceDigest = "vnd.docker.reference.digest"
	attestation     = "attestation-manifest"
)

// A Part is a manifest or an index that a source refers to.
type Part struct {
	Descriptor oci.Descriptor
	Document   []byte
	Index      *oci.Index // nil for a manifest
}

// An Annotation is added to the new index or to its descriptors.
type Annotation struct {
	OnIndex    bool   // otherwise on the descriptors of manifests
	Platform   string // only on descriptors of this platform, in the form of platforms.Format; "" for all
	Key, Value string
}

// Options configure how parts are combined.
type Options struct {
	Platforms   []oci.Platform // nil for all
	Annotations []Annotation
	PreferIndex bool // create an index even for a single manifest
}

// A Result is the new image: a document, and the manifests that it refers to directly.
type Result struct {
	Descriptor oci.Descriptor
	Document   []byte
	Manifests  []oci.Descriptor // nil if the result is a manifest
}

// CopyUnchanged returns the result if it is a single part without changes, otherwise nil.
func CopyUnchanged(parts []Part, o Options) (*Result, error) {
	if len(parts) != 1 || len(o.Annotations) > 0 {
		return nil, nil
	}
	p := parts[0]
	if p.Index == nil {
		if o.PreferIndex {
			return nil, nil
		}
		_, err := selectPlatforms(o.Platforms, []oci.Descriptor{p.Descriptor})
		return &Result{Descriptor: p.Descriptor, Document: p.Document}, err
	}
	left, err := selectPlatforms(o.Platforms, p.Index.Manifests)
	if err != nil || len(left) < len(p.Index.Manifests) {
		return nil, err
	}
	return &Result{Descriptor: p.Descriptor, Document: p.Document, Manifests: p.Index.Manifests}, nil
}

// Flatten lists the manifests of the parts that match the platforms, each once, and their
// attestations.
func Flatten(parts []Part, want []oci.Platform) ([]oci.Descriptor, error) {
	var list []oci.Descriptor
	for _, p := range parts {
		if p.Index == nil {
			list = append(list, p.Descriptor)
			continue
		}
		if d := p.Descriptor; len(d.Annotations) > 0 || d.Platform != nil {
			return nil, fmt.Errorf("%s is an index: only its manifests are added to the new index, so its descriptor "+
				"cannot have annotations or a platform", d.Digest)
		}
		list = append(list, p.Index.Manifests...)
	}
	seen := map[digest.Digest]bool{}
	list = slices.DeleteFunc(list, func(d oci.Descriptor) bool {
		again := seen[d.Digest]
		seen[d.Digest] = true
		return again
	})
	return selectPlatforms(want, list)
}

// ErrPlatform is the cause when no manifest matches the requested platforms.
var ErrPlatform = errors.New("no manifest matches the platforms")

func selectPlatforms(want []oci.Platform, list []oci.Descriptor) ([]oci.Descriptor, error) {
	if len(want) == 0 {
		return list, nil
	}
	match := platforms.Any(want...)
	images := map[digest.Digest]bool{}
	for _, d := range list {
		if d.Platform != nil && match.Match(*d.Platform) {
			images[d.Digest] = true
		}
	}
	if len(images) == 0 {
		return nil, ErrPlatform
	}
	var out []oci.Descriptor
	for _, d := range list {
		if images[d.Digest] || images[attestedImage(d)] {
			out = append(out, d)
		}
	}
	return out, nil
}

// attestedImage returns the digest of the image that an attestation manifest describes.
func attestedImage(d oci.Descriptor) digest.Digest {
	if d.Annotations[referenceType] != attestation {
		return ""
	}
	return digest.Digest(d.Annotations[referenceDigest])
}

// Unattested returns the images in a list that have no attestation manifest in it.
func Unattested(list []oci.Descriptor) []oci.Descriptor {
	has := map[digest.Digest]bool{}
	for _, d := range list {
		has[attestedImage(d)] = true
	}
	var out []oci.Descriptor
	for _, d := range list {
		if isImage(d) && !has[d.Digest] {
			out = append(out, d)
		}
	}
	return out
}

// isImage reports whether a descriptor refers to a manifest for a platform.
func isImage(d oci.Descriptor) bool {
	return !image.IsIndex(d.MediaType) && attestedImage(d) == "" && d.Platform != nil && d.Platform.OS != "unknown"
}

// Attestation returns the descriptor of an attestation manifest in an index.
func Attestation(about digest.Digest, manifest oci.Descriptor) oci.Descriptor {
	return oci.Descriptor{
		MediaType: manifest.MediaType, Digest: manifest.Digest, Size: manifest.Size,
		Annotations: map[string]string{referenceType: attestation, referenceDigest: about.String()},
		Platform:    &oci.Platform{OS: "unknown", Architecture: "unknown"},
	}
}

// Combine creates an index of manifests. It is Docker's manifest list if all manifests are Docker's
// and there are no annotations, which only an OCI index can have.
func Combine(parts []Part, list []oci.Descriptor, o Options) (*Result, error) {
	if len(list) == 0 {
		return nil, errors.New("the sources have no manifests")
	}
	if err := image.CheckIndex(len(list)); err != nil {
		return nil, fmt.Errorf("the new index %w", err)
	}
	index := oci.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaTypeOf(list),
		Manifests: slices.Clone(list)}
	if len(parts) == 1 && parts[0].Index != nil {
		index.Annotations = maps.Clone(parts[0].Index.Annotations)
	}
	for i := range index.Manifests {
		index.Manifests[i].Annotations = maps.Clone(index.Manifests[i].Annotations)
	}
	for _, a := range o.Annotations {
		if a.OnIndex {
			index.Annotations = addAnnotation(index.Annotations, a)
			continue
		}
		if !annotate(index.Manifests, a) {
			return nil, fmt.Errorf("annotation %s: no manifest is for %s", a.Key, a.Platform)
		}
	}
	if len(index.Annotations) > 0 || len(o.Annotations) > 0 {
		index.MediaType = oci.MediaTypeImageIndex
	}
	text, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return nil, err
	}
	d := oci.Descriptor{MediaType: index.MediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	return &Result{Descriptor: d, Document: text, Manifests: index.Manifests}, nil
}

func mediaTypeOf(list []oci.Descriptor) string {
	for _, d := range list {
		if d.MediaType != dockerManifest || len(d.Annotations) > 0 {
			return oci.MediaTypeImageIndex
		}
	}
	return dockerList
}

func annotate(list []oci.Descriptor, a Annotation) (found bool) {
	for i, d := range list {
		if a.Platform != "" && (d.Platform == nil || platforms.Format(platforms.Normalize(*d.Platform)) != a.Platform) {
			continue
		}
		list[i].Annotations = addAnnotation(d.Annotations, a)
		found = true
	}
	return found
}

func addAnnotation(m map[string]string, a Annotation) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[a.Key] = a.Value
	return m
}
