package transfer

import (
	"encoding/json"
	"fmt"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// checkKind refuses a document that one program takes for a manifest and another
// for an index, so that the same digest would name two images (CVE-2021-41190): it
// has the fields of both, or it is not what d or its own media type says.
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
		return fmt.Errorf("manifest %s: ambiguous media type: it has the fields of a manifest and of an index", d.Digest)
	}
	if !isIndex && !isManifest {
		return nil // the caller reports what is missing
	}
	for _, mediaType := range []string{d.MediaType, fields.MediaType} {
		if mediaType != "" && image.IsIndex(mediaType) != isIndex {
			return fmt.Errorf("manifest %s: its fields do not match the media type %q", d.Digest, mediaType)
		}
	}
	return nil
}
