package transfer

import (
	"encoding/json"
	"fmt"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// checkKind refuses a document that some programs take for a manifest and others for an index,
// because the same digest would then identify two images (CVE-2021-41190). Such a document has the
// fields of both, or does not match its descriptor or its own media type.
func checkKind(d oci.Descriptor, document []byte) error {
	var fields struct {
		MediaType string          `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
		Config    json.RawMessage `json:"config"`
		Layers    json.RawMessage `json:"layers"`
	}
	if err := json.Unmarshal(document, &fields); err != nil {
		return fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	isIndex, isManifest := fields.Manifests != nil, fields.Config != nil || fields.Layers != nil
	if isIndex && isManifest {
		return fmt.Errorf("manifest %s: ambiguous media type: it has the fields of a manifest and of an index",
			d.Digest)
	}
	if !isIndex && !isManifest {
		return nil // the caller reports the missing fields
	}
	for _, mediaType := range []string{d.MediaType, fields.MediaType} {
		if mediaType != "" && image.IsIndex(mediaType) != isIndex {
			return fmt.Errorf("manifest %s: its fields do not match the media type %q", d.Digest, mediaType)
		}
	}
	return nil
}
