package attest

import (
	"cmp"
	"time"
)

// The predicate of SLSA 0.2 (https://slsa.dev/spec/v0.2/provenance). Extensions have
// BuildKit's names.
type (
	provenance02 struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
		BuildType  string       `json:"buildType"`
		Invocation invocation02 `json:"invocation"`
		Materials  []Material   `json:"materials,omitempty"`
		Config     *buildConfig `json:"buildConfig,omitempty"`
		Metadata   *metadata02  `json:"metadata,omitempty"`
	}
	invocation02 struct {
		ConfigSource struct {
			URI        string            `json:"uri,omitempty"`
			Digest     map[string]string `json:"digest,omitempty"`
			EntryPoint string            `json:"entryPoint,omitempty"`
		} `json:"configSource"`
		Parameters  request           `json:"parameters"`
		Environment map[string]string `json:"environment"`
	}
	metadata02 struct {
		Invocation   string         `json:"buildInvocationID,omitempty"`
		Started      *time.Time     `json:"buildStartedOn,omitempty"`
		Finished     *time.Time     `json:"buildFinishedOn,omitempty"`
		Completeness completeness02 `json:"completeness"`
		Reproducible bool           `json:"reproducible"`
		Hermetic     bool           `json:"https://github.com/minirun/minirun#hermetic,omitempty"`
		Metadata     *metadata      `json:"https://github.com/minirun/minirun#metadata,omitempty"`
	}
	completeness02 struct {
		Parameters  bool `json:"parameters"`
		Environment bool `json:"environment"`
		Materials   bool `json:"materials"`
	}
)

// Provenance02 returns the predicate of an SLSA 0.2 statement.
func Provenance02(f Facts, m Mode) any {
	p := newProvenance02(f, m)
	meta := &metadata02{
		Invocation: f.Invocation, Hermetic: f.Hermetic, Reproducible: f.Reproducible,
		Completeness: completeness02{Parameters: m == Max, Environment: true, Materials: len(f.Locals) == 0},
	}
	if f.Invocation != "" {
		meta.Started, meta.Finished = &f.Started, &f.Finished
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
	p := &provenance02{BuildType: buildType, Materials: uniqueMaterials(f.Materials)}
	p.Builder.ID = cmp.Or(f.BuilderID, builderID)
	in := &p.Invocation
	in.ConfigSource.URI, in.ConfigSource.Digest, in.ConfigSource.EntryPoint = f.Context.URI, f.Context.Digest, f.Dockerfile
	in.Parameters = newRequest(f, m)
	in.Environment = map[string]string{"platform": f.Builder}
	if m == Max {
		p.Config = newBuildConfig(f)
	}
	return p
}
