package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/ctxio"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
)

// errNoCache is the cause when the object found is not a cache.
var errNoCache = errors.New("no build cache of minirun")

// maxManifests limits an index: a multi-platform image has one cache per platform.
const maxManifests = 64

// read reads the records that a descriptor refers to: those of a cache, of an image with an
// inline cache, or of an index of such images.
func read(ctx context.Context, from transfer.Source, d oci.Descriptor) ([]Record, error) {
	text, err := readDocument(ctx, from, d)
	if err != nil {
		return nil, err
	}
	var m struct {
		oci.Manifest
		Manifests []oci.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("invalid manifest %s: %w", d.Digest, err)
	}
	if m.Manifests == nil {
		return readManifest(ctx, from, &m.Manifest)
	}
	if len(m.Manifests) > maxManifests {
		return nil, fmt.Errorf(
			"index %s has %d manifests, more than the maximum of %d", d.Digest, len(m.Manifests), maxManifests,
		)
	}
	var out []Record
	for _, one := range m.Manifests {
		if image.IsIndex(one.MediaType) {
			continue
		}
		records, err := readOne(ctx, from, one)
		if err != nil && !errors.Is(err, errNoCache) {
			return nil, err
		}
		out = append(out, records...)
	}
	if out == nil {
		return nil, errNoCache
	}
	return out, nil
}

// readOne reads the records of one image in an index. A descriptor with the media type of a
// manifest may still refer to an index, which has no records.
func readOne(ctx context.Context, from transfer.Source, d oci.Descriptor) ([]Record, error) {
	text, err := readDocument(ctx, from, d)
	if err != nil {
		return nil, err
	}
	var m oci.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("invalid manifest %s: %w", d.Digest, err)
	}
	return readManifest(ctx, from, &m)
}

func readManifest(ctx context.Context, from transfer.Source, m *oci.Manifest) ([]Record, error) {
	switch kind := m.Config.MediaType; {
	case kind == MediaType:
	case kind == oci.MediaTypeImageConfig, kind == "application/vnd.docker.container.image.v1+json":
		return readImage(ctx, from, m)
	case strings.HasPrefix(kind, "application/vnd.minirun.build.cache."):
		return nil, fmt.Errorf("%w (%s)", ErrVersion, kind)
	default:
		return nil, fmt.Errorf("%w (its configuration has the type %q)", errNoCache, kind)
	}
	text, err := readDocument(ctx, from, m.Config)
	if err != nil {
		return nil, err
	}
	records, err := Parse(text)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if r.Layer == nil ||
			!slices.ContainsFunc(
				m.Layers, func(d oci.Descriptor) bool { return d.Digest == r.Layer.Digest && d.Size == r.Layer.Size },
			) {
			return nil, fmt.Errorf("the layer of records[%d] is not in the manifest", i)
		}
	}
	return records, nil
}

// readImage reads the inline cache in an image's configuration. Its layers are identified by
// their diff IDs, because other tools may recompress them.
func readImage(ctx context.Context, from transfer.Source, m *oci.Manifest) ([]Record, error) {
	text, err := readDocument(ctx, from, m.Config)
	if err != nil {
		return nil, err
	}
	var c struct {
		RootFS oci.RootFS      `json:"rootfs"`
		Cache  json.RawMessage `json:"dev.minirun.build.cache.v1"` // Field
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("invalid configuration %s: %w", m.Config.Digest, err)
	}
	if c.Cache == nil {
		return nil, fmt.Errorf("%w in the image (build it with --cache-to type=inline)", errNoCache)
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf(
			"configuration %s has %d layers, but its manifest %d", m.Config.Digest, len(c.RootFS.DiffIDs), len(m.Layers),
		)
	}
	records, err := Parse(c.Cache)
	if err != nil {
		return nil, err
	}
	var out []Record
	for _, r := range records {
		i := slices.Index(c.RootFS.DiffIDs, r.DiffID)
		if i < 0 {
			continue // the image was squashed
		}
		if err := checkLayer(&m.Layers[i]); err != nil {
			return nil, err
		}
		r.Layer = bareDescriptor(m.Layers[i])
		out = append(out, r)
	}
	return out, nil
}

// readDocument reads and verifies a manifest, an index or a configuration.
func readDocument(ctx context.Context, from transfer.Source, d oci.Descriptor) ([]byte, error) {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return nil, err
	}
	content, _, err := from.Open(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	text, err := io.ReadAll(io.LimitReader(ctxio.NewReader(ctx, content), maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("%s is larger than the maximum of %d bytes", d.Digest, maxDocument)
	}
	if digest.FromBytes(text) != d.Digest {
		return nil, fmt.Errorf("%s: %w", d.Digest, store.ErrDigest)
	}
	return text, nil
}
