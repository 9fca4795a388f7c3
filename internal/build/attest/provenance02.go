package attest

import (
	"cmp"

	"github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/common"
	slsa "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v0.2"
)

// The predicate of SLSA 0.2 (https://slsa.dev/spec/v0.2/provenance). Extensions have
// BuildKit's names.
type (
	provenance02 struct {
		Builder    common.ProvenanceBuilder `json:"builder"`
		BuildType  string                   `json:"buildType"`
		Invocation invocation02             `json:"invocation"`
		Materials  []Material               `json:"materials,omitempty"`
		Config     *buildConfig             `json:"buildConfig,omitempty"`
		Metadata   *metadata02              `json:"metadata,omitempty"`
	}
	invocation02 struct {
		ConfigSource slsa.ConfigSource `json:"configSource"`
		Parameters   request           `json:"parameters"`
		Environment  map[string]string `json:"environment"`
	}
	metadata02 struct {
		slsa.ProvenanceMetadata
		Hermetic bool      `json:"https://github.com/minirun/minirun#hermetic,omitempty"`
		Metadata *metadata `json:"https://github.com/minirun/minirun#metadata,omitempty"`
	}
)

// Provenance02 returns the predicate of an SLSA 0.2 statement.
func Provenance02(f Facts, m Mode) any {
	p := newProvenance02(f, m)
	meta := &metadata02{Hermetic: f.Hermetic}
	meta.BuildInvocationID, meta.Reproducible = f.Invocation, f.Reproducible
	meta.Completeness = slsa.ProvenanceComplete{
		Parameters: m == Max, Environment: true, Materials: len(f.Locals) == 0,
	}
	if f.Invocation != "" {
		meta.BuildStartedOn, meta.BuildFinishedOn = &f.Started, &f.Finished
	}
	if m == Max {
		meta.Metadata = newMetadata(f)
	}
	p.Metadata = meta
	return p
}

// ForMetadataFile returns the provenance for --metadata-file: the predicate of SLSA 0.2, which
// with Min has no metadata.
func ForMetadataFile(f Facts, m Mode) any {
	if m == Max {
		return Provenance02(f, m)
	}
	return newProvenance02(f, m)
}

func newProvenance02(f Facts, m Mode) *provenance02 {
	p := &provenance02{
		Builder:   common.ProvenanceBuilder{ID: cmp.Or(f.BuilderID, builderID)},
		BuildType: buildType,
		Invocation: invocation02{
			ConfigSource: slsa.ConfigSource{URI: f.Context.URI, Digest: f.Context.Digest, EntryPoint: f.Dockerfile},
			Parameters:   newRequest(f, m),
			Environment:  map[string]string{"platform": f.Builder},
		},
		Materials: uniqueMaterials(f.Materials),
	}
	if m == Max {
		p.Config = newBuildConfig(f)
	}
	return p
}
