// Package remotecache exports and imports a build's cache: the records of steps, and their layers. A
// cache is an OCI manifest, which registries and other tools store and copy like an image's,
// or it is embedded in an image.
//
//	document.go  records ↔ the document (pure)
//	option.go    --cache-to and --cache-from, as data (pure)
//	steps.go     steps of a build → a document and its layers
//	read.go      a manifest → records
//	local.go     a directory: an OCI image layout, which several builds may write to
//	registry.go  a registry
//	imports.go   all imported records: found by key, fetched when a layer is needed
//
//	index.json, or a tag ─▶ manifest ─┬▶ config: the document: records
//	                                  └▶ layers: blobs, as images have them
//
// Anyone who can write to a cache decides which files a cached step contains. The limits on
// what a cache can do are enforced here and where its layers are unpacked: a blob must match
// its digest, its archive must match the diff ID in the record, and the archive is untrusted
// (package image/layer).
package remotecache

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// MediaType is the media type of the document; it identifies a manifest as a cache.
const MediaType = "application/vnd.minirun.build.cache.v1+json"

// Field is the field of an image's configuration that holds an inline cache.
const Field = "dev.minirun.build.cache.v1"

// version is the version of the document format. Package solver's keys have a separate version:
// if a builder produces different files from the same instruction, it finds no old records.
const version = 1

// Limits for a document that may come from an untrusted source.
const (
	maxDocument = 4 << 20
	maxRecords  = 1 << 14
	maxKeys     = 4
	maxText     = 64 << 10
)

// A Record describes what a step produced, in terms that do not depend on the machine.
type Record struct {
	Keys   []digest.Digest `json:"keys"`            // that find it: one for the request, one for the content
	Result digest.Digest   `json:"result"`          // identifies its file system in the keys of later steps
	DiffID digest.Digest   `json:"diffID"`          // of its layer, uncompressed
	Layer  *oci.Descriptor `json:"layer,omitempty"` // its blob; inline: it is in the image's manifest
	Text   string          `json:"text"`            // the instruction, shown to the user

	source *source // where it was read from
}

type document struct {
	Version int      `json:"version"`
	Records []Record `json:"records"`
}

// ErrVersion is the cause when a document has a version that this minirun does not support.
var ErrVersion = errors.New("unsupported version of the cache format")

// Marshal encodes records as a document.
func Marshal(records []Record) ([]byte, error) {
	if records == nil {
		records = []Record{}
	}
	text, err := json.Marshal(document{version, records})
	if err == nil && len(text) > maxDocument {
		err = fmt.Errorf(
			"the cache document of %d steps has %d bytes, more than the maximum of %d", len(records), len(text), maxDocument,
		)
	}
	return text, err
}

// Parse reads a document. The values that it returns are safe in file names and URLs. One
// invalid record makes the whole document invalid.
func Parse(text []byte) ([]Record, error) {
	if len(text) > maxDocument {
		return nil, fmt.Errorf("the cache document has %d bytes, more than the maximum of %d", len(text), maxDocument)
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	if v.Version != version {
		return nil, fmt.Errorf("%w (%d)", ErrVersion, v.Version)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if len(d.Records) > maxRecords {
		return nil, fmt.Errorf("the cache document has %d records, more than the maximum of %d", len(d.Records), maxRecords)
	}
	for i := range d.Records {
		r := &d.Records[i]
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("invalid records[%d]: %w", i, err)
		}
		if r.Layer != nil {
			r.Layer = bareDescriptor(*r.Layer)
		}
	}
	return d.Records, nil
}

func (r *Record) check() error {
	if n := len(r.Keys); n < 1 || n > maxKeys {
		return fmt.Errorf("keys: there must be 1 to %d keys, not %d", maxKeys, n)
	}
	if len(r.Text) > maxText {
		return fmt.Errorf("text: it has %d bytes, more than the maximum of %d", len(r.Text), maxText)
	}
	for _, d := range slices.Concat(r.Keys, []digest.Digest{r.Result, r.DiffID}) {
		if err := image.CheckDigest(d.String()); err != nil {
			return err
		}
	}
	if r.Layer == nil {
		return nil
	}
	return checkLayer(r.Layer)
}

func checkLayer(d *oci.Descriptor) error {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return fmt.Errorf("layer: %w", err)
	}
	if d.Size < 0 {
		return fmt.Errorf("layer: invalid size of %d bytes", d.Size)
	}
	if !slices.Contains(layerTypes, d.MediaType) {
		return fmt.Errorf("layer: media type %q is not one of %q", d.MediaType, layerTypes)
	}
	return nil
}

// bareDescriptor copies the needed fields of a descriptor. It drops alternative URLs.
func bareDescriptor(d oci.Descriptor) *oci.Descriptor {
	return &oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
}

var layerTypes = []string{
	oci.MediaTypeImageLayer, oci.MediaTypeImageLayerGzip, oci.MediaTypeImageLayerZstd,
	"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
}
