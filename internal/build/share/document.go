// Package share takes a build's cache elsewhere: the records of steps, and their
// layers, as an OCI manifest that registries and other tools keep and move as they
// do an image's, or inside an image.
//
//	document.go  records ↔ the document (pure)
//	option.go    --cache-to and --cache-from, as data (pure)
//	steps.go     steps of a build → a document and its layers
//	read.go      a manifest → records
//	local.go     a directory: an OCI image layout, which several builds may write to
//	registry.go  a registry
//	imports.go   all that was imported: found by key, fetched when a layer is needed
//
//	index.json, or a tag ─▶ manifest ─┬▶ config: the document: records
//	                                  └▶ layers: blobs, as images have them
//
// Whoever can write to a cache decides which files a step that is found there has
// made. What a cache cannot do is held here and where its layers are unpacked: a
// blob has its digest, its archive the diff ID that the record promises, and the
// archive is anybody's (package image/layer).
package share

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// MediaType is that of the document, by which a manifest is known to be a cache.
const MediaType = "application/vnd.minirun.build.cache.v1+json"

// Field is where an image's configuration has the document of an inline cache.
const Field = "dev.minirun.build.cache.v1"

// version is of what the document says. Package solve's keys have one of their
// own: a builder that makes other files of the same instruction finds nothing.
const version = 1

// Bounds of a document that somebody else may have written.
const (
	maxDocument = 4 << 20
	maxRecords  = 1 << 14
	maxKeys     = 4
	maxText     = 64 << 10
)

// A Record says what a step has made, in words that are the same on every machine.
type Record struct {
	Keys   []digest.Digest `json:"keys"`            // that it is found by: of what it was asked for, of what it read
	Result digest.Digest   `json:"result"`          // what the keys of steps behind it call its file system
	DiffID digest.Digest   `json:"diffID"`          // of its layer, uncompressed
	Layer  *oci.Descriptor `json:"layer,omitempty"` // its blob; inline: the image's manifest has it
	Text   string          `json:"text"`            // the instruction, for people

	source *source // that it was read from
}

type document struct {
	Version int      `json:"version"`
	Records []Record `json:"records"`
}

// ErrVersion is the cause when a document is of another version of minirun's.
var ErrVersion = errors.New("is of a version that this minirun does not know")

// Marshal makes the document of records.
func Marshal(records []Record) ([]byte, error) {
	if records == nil {
		records = []Record{}
	}
	text, err := json.Marshal(document{version, records})
	if err == nil && len(text) > maxDocument {
		err = fmt.Errorf("the document of %d steps has %d bytes: at most %d are read", len(records), len(text), maxDocument)
	}
	return text, err
}

// Parse reads a document. Whatever it returns is fit for use as names of files and
// parts of URLs; a document with one bad record has none that is good.
func Parse(text []byte) ([]Record, error) {
	if len(text) > maxDocument {
		return nil, fmt.Errorf("%d bytes are more than the %d that are read of a build's cache", len(text), maxDocument)
	}
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	if v.Version != version {
		return nil, fmt.Errorf("version %d: %w", v.Version, ErrVersion)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	if len(d.Records) > maxRecords {
		return nil, fmt.Errorf("%d records are more than the %d that are read", len(d.Records), maxRecords)
	}
	for i := range d.Records {
		if err := d.Records[i].check(); err != nil {
			return nil, fmt.Errorf("records[%d]: %w", i, err)
		}
	}
	return d.Records, nil
}

func (r *Record) check() error {
	if n := len(r.Keys); n < 1 || n > maxKeys {
		return fmt.Errorf("keys: %d, and 1 to %d are possible", n, maxKeys)
	}
	if len(r.Text) > maxText {
		return fmt.Errorf("text: %d bytes are more than %d", len(r.Text), maxText)
	}
	for _, d := range slices.Concat(r.Keys, []digest.Digest{r.Result, r.DiffID}) {
		if err := image.CheckDigest(d.String()); err != nil {
			return err
		}
	}
	if r.Layer == nil {
		return nil
	}
	return r.setLayer(*r.Layer)
}

// setLayer takes of a descriptor what is needed: not where else it could be
// fetched.
func (r *Record) setLayer(d oci.Descriptor) error {
	if err := image.CheckDigest(d.Digest.String()); err != nil {
		return fmt.Errorf("layer: %w", err)
	}
	if d.Size < 0 {
		return fmt.Errorf("layer: %d bytes", d.Size)
	}
	if !slices.Contains(layerTypes, d.MediaType) {
		return fmt.Errorf("layer: media type %q: must be one of %q", d.MediaType, layerTypes)
	}
	r.Layer = &oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	return nil
}

var layerTypes = []string{
	oci.MediaTypeImageLayer, oci.MediaTypeImageLayerGzip, oci.MediaTypeImageLayerZstd,
	"application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd",
}
