package export

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/image/store"
)

// rewrittenTimestamp is BuildKit's annotation for a layer whose file times were changed by
// rewrite-timestamp.
const rewrittenTimestamp = "buildkit/rewritten-timestamp"

// A Result is the input for an image.
type Result struct {
	Layers      []Layer               // lowest first
	Config      docker.DockerOCIImage // including its history
	Platform    oci.Platform
	Created     time.Time
	Epoch       *time.Time // SOURCE_DATE_EPOCH, or nil
	Rewrite     bool       // no file in a built layer is newer than Epoch
	Compression Compression
	Annotations []Annotation

	// ExtraField, if set, returns the value of the configuration's field ExtraFieldName, given
	// the packed layers.
	ExtraField     func(layers []Layer) (json.RawMessage, error)
	ExtraFieldName string
}

// StoreImage stores an image: blobs, configuration, manifest. It records in the store that the
// layers are already unpacked. The image has no name yet: until it gets one, or is otherwise
// kept, only the store's shared lock protects it.
func StoreImage(ctx context.Context, s *store.Store, r Result) (oci.Descriptor, error) {
	var latest *time.Time
	if r.Rewrite {
		latest = r.Epoch
	}
	rewritten := map[int]bool{}
	for i, l := range r.Layers {
		rewritten[i] = latest != nil && l.Desc.Digest == ""
	}
	if err := Pack(ctx, s, r.Layers, r.Compression, latest); err != nil {
		return oci.Descriptor{}, err
	}
	config := r.Config
	created := r.Created
	config.Created, config.Platform = &created, r.Platform
	config.RootFS = oci.RootFS{Type: "layers", DiffIDs: []digest.Digest{}}
	m := oci.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		Annotations: selectAnnotations(r.Annotations, onManifest, r.Platform), Layers: []oci.Descriptor{},
	}
	var keys []digest.Digest
	for i, l := range r.Layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.DiffID)
		d := l.Desc
		d.Annotations = nil
		if rewritten[i] {
			d.Annotations = map[string]string{rewrittenTimestamp: strconv.FormatInt(latest.Unix(), 10)}
		}
		m.Layers = append(m.Layers, d)
		keys = append(keys, l.Key)
	}
	var err error
	if m.Config, err = storeConfig(s, r, config); err != nil {
		return oci.Descriptor{}, err
	}
	d, err := putJSON(s, oci.MediaTypeImageManifest, m)
	if err != nil {
		return d, err
	}
	p := r.Platform
	d.Platform, d.Annotations = &p, selectAnnotations(r.Annotations, onManifestDescriptor, p)
	if latest != nil {
		return d, nil // the steps' directories have different times, so it is unpacked if it is run
	}
	return d, s.SetUnpacked(m.Config.Digest, keys)
}

// storeConfig stores the configuration, including the extra field.
func storeConfig(s *store.Store, r Result, config docker.DockerOCIImage) (oci.Descriptor, error) {
	if r.ExtraField == nil {
		return putJSON(s, oci.MediaTypeImageConfig, config)
	}
	inside, err := r.ExtraField(r.Layers)
	if err != nil {
		return oci.Descriptor{}, err
	}
	text, err := json.Marshal(config)
	if err != nil {
		return oci.Descriptor{}, err
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return oci.Descriptor{}, err
	}
	fields[r.ExtraFieldName] = inside
	return putJSON(s, oci.MediaTypeImageConfig, fields)
}

// StoreIndex stores an index of several platforms' manifests and their attestations.
func StoreIndex(s *store.Store, list []oci.Descriptor, annotations []Annotation) (oci.Descriptor, error) {
	d, err := putIndex(s, list, selectAnnotations(annotations, onIndex, oci.Platform{}))
	d.Annotations = selectAnnotations(annotations, onIndexDescriptor, oci.Platform{})
	return d, err
}

func putIndex(s *store.Store, list []oci.Descriptor, annotations map[string]string) (oci.Descriptor, error) {
	return putJSON(s, oci.MediaTypeImageIndex, oci.Index{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: oci.MediaTypeImageIndex, Manifests: list, Annotations: annotations})
}

func putJSON(s *store.Store, mediaType string, what any) (oci.Descriptor, error) {
	text, err := json.Marshal(what)
	if err != nil {
		return oci.Descriptor{}, err
	}
	d, err := s.PutDocument(mediaType, text)
	if err != nil {
		return d, fmt.Errorf("store the %s: %w", strings.TrimPrefix(mediaType, "application/vnd.oci.image."), err)
	}
	return d, nil
}

// A Statement is an attestation of an image, as JSON, with its type.
type Statement struct {
	Type string
	Text []byte
}

// Attach stores statements about an image, and returns the descriptor of their manifest for
// the image's index.
func Attach(s *store.Store, about oci.Descriptor, list []Statement) (oci.Descriptor, error) {
	var layers []oci.Descriptor
	for _, one := range list {
		d, err := s.PutDocument(attest.MediaType, one.Text)
		if err != nil {
			return d, fmt.Errorf("store the attestation: %w", err)
		}
		layers = append(layers, attest.Layer(one.Type, d))
	}
	if _, err := s.PutDocument(oci.MediaTypeEmptyJSON, oci.DescriptorEmptyJSON.Data); err != nil {
		return oci.Descriptor{}, fmt.Errorf("store the attestation: %w", err)
	}
	d, err := putJSON(s, oci.MediaTypeImageManifest, attest.Manifest(about, layers))
	return attest.Reference(about, d), err
}
