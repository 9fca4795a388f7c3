// Package attest records how an image was built, and from what, as in-toto statements. They
// are stored next to the image in its index and do not change it.
//
//	attest.go      statements, and the manifest that carries them (pure)
//	provenance.go  SLSA provenance: how it was built (pure); provenance02.go: SLSA 0.2
//	definition.go  the steps of a build, in the form of BuildKit's LLB (pure)
//	packages.go    the databases of dpkg and apk → packages (pure)
//	spdx.go        packages → SPDX, the format of the SBOM (pure)
//	read.go        reads those databases from a root file system
//	options.go     --provenance, --sbom, --attest, as data
//
// The manifest has BuildKit's format (docs/attestations/attestation-storage.md there), so
// BuildKit's tools can read it.
package attest

import (
	"bytes"
	"encoding/json"

	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// Media types and annotations.
const (
	MediaType = "application/vnd.in-toto+json"

	manifestType      = "application/vnd.docker.attestation.manifest.v1+json"
	predicateTypeName = "in-toto.io/predicate-type"
	referenceType     = "vnd.docker.reference.type"
	referenceDigest   = "vnd.docker.reference.digest"
)

// Predicate types.
const (
	ProvenanceType   = "https://slsa.dev/provenance/v1"
	Provenance02Type = "https://slsa.dev/provenance/v0.2"
	SPDXType         = "https://spdx.dev/Document"
)

// A Subject is the artifact that a statement describes.
type Subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"` // by algorithm, in hexadecimal digits
}

// Statement returns an in-toto statement as JSON.
func Statement(predicateType string, about []Subject, predicate any) ([]byte, error) {
	if about == nil {
		about = []Subject{}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // keep the & in URLs
	enc.SetIndent("", "  ")
	err := enc.Encode(struct {
		Type          string    `json:"_type"`
		PredicateType string    `json:"predicateType"`
		Subject       []Subject `json:"subject"`
		Predicate     any       `json:"predicate"`
	}{"https://in-toto.io/Statement/v1", predicateType, about, predicate})
	return out.Bytes(), err
}

// Layer returns the descriptor of a stored statement.
func Layer(predicateType string, d oci.Descriptor) oci.Descriptor {
	d.MediaType, d.Annotations = MediaType, map[string]string{predicateTypeName: predicateType}
	return d
}

// Manifest returns the manifest with the statements about one image.
func Manifest(about oci.Descriptor, statements []oci.Descriptor) oci.Manifest {
	return oci.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		ArtifactType: manifestType,
		Config:       oci.DescriptorEmptyJSON, Layers: statements,
		Subject: &oci.Descriptor{MediaType: about.MediaType, Digest: about.Digest, Size: about.Size},
	}
}

// Reference is the index entry for that manifest. Its platform is unknown/unknown, so that no
// tool takes it for an image.
func Reference(about, manifest oci.Descriptor) oci.Descriptor {
	manifest.Platform = &oci.Platform{OS: "unknown", Architecture: "unknown"}
	manifest.Annotations = map[string]string{
		referenceType: "attestation-manifest", referenceDigest: about.Digest.String(),
	}
	return manifest
}
