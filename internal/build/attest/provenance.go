package attest

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/common"
)

// A Material is something that a build used but did not build.
type Material = common.ProvenanceMaterial

// A Secret is the ID of a secret that a RUN requests. Its value is not recorded.
type Secret struct {
	ID       string `json:"id"`
	Optional bool   `json:"optional,omitempty"`
}

// Facts are the facts about a build.
type Facts struct {
	Version    string   // of minirun
	BuilderID  string   // --provenance builder-id=; "": minirun's
	Context    Material // a git repository or an archive's URL; without a URI, a directory
	Dockerfile string   // its name
	Text       []byte   // its content
	Arguments  map[string]string
	Labels     map[string]string
	Target     string
	Secrets    []Secret
	SSH        []Secret
	Locals     []string // names of the contexts that are directories
	Materials  []Material

	Builder, Platform string // OS/ARCHITECTURE of this machine, and of the result
	Invocation        string // "": omitted, together with the times
	Started, Finished time.Time

	Hermetic     bool // no RUN had network access
	Reproducible bool // claimed by the user

	Steps []Step // inputs before their users; the last one is the result
}

const (
	buildType = "https://github.com/minirun/minirun/blob/main/docs/build.md#attestations"
	builderID = "https://github.com/minirun/minirun"
)

// The predicate of SLSA 1 (https://slsa.dev/spec/v1.1/provenance). Extensions have BuildKit's
// names (docs/attestations/slsa-definitions.md there).
//
// in-toto-golang's types for it are deprecated. Their successors are protobuf messages, which
// have no room for the extensions, and whose JSON encoder does not always write the same bytes.
type (
	provenance struct {
		BuildDefinition definition `json:"buildDefinition"`
		RunDetails      details    `json:"runDetails"`
	}
	definition struct {
		BuildType string `json:"buildType"`
		External  struct {
			ConfigSource struct {
				URI    string            `json:"uri,omitempty"`
				Digest map[string]string `json:"digest,omitempty"`
				Path   string            `json:"path,omitempty"`
			} `json:"configSource"`
			Request request `json:"request"`
		} `json:"externalParameters"`
		Internal struct {
			Config  *buildConfig `json:"buildConfig,omitempty"`
			Builder string       `json:"builderPlatform"`
			Target  string       `json:"targetPlatform"`
		} `json:"internalParameters"`
		Materials []Material `json:"resolvedDependencies"`
	}
	request struct {
		Frontend string            `json:"frontend"`
		Args     map[string]string `json:"args,omitempty"`
		Secrets  []Secret          `json:"secrets,omitempty"`
		SSH      []Secret          `json:"ssh,omitempty"`
		Locals   []local           `json:"locals,omitempty"`
	}
	local struct {
		Name string `json:"name"`
	}
	details struct {
		Builder struct {
			ID      string            `json:"id"`
			Version map[string]string `json:"version,omitempty"`
		} `json:"builder"`
		Metadata struct {
			Invocation   string       `json:"invocationId,omitempty"`
			Started      *time.Time   `json:"startedOn,omitempty"`
			Finished     *time.Time   `json:"finishedOn,omitempty"`
			Metadata     *metadata    `json:"minirun_metadata,omitempty"`
			Hermetic     bool         `json:"minirun_hermetic"`
			Completeness completeness `json:"minirun_completeness"`
			Reproducible bool         `json:"minirun_reproducible"`
		} `json:"metadata"`
	}
	completeness struct {
		Request   bool `json:"request"`
		Materials bool `json:"resolvedDependencies"`
	}
)

// Provenance returns the predicate of an SLSA 1 statement.
func Provenance(f Facts, m Mode) any {
	var p provenance
	d, r := &p.BuildDefinition, &p.RunDetails
	d.BuildType = buildType
	d.External.ConfigSource.URI, d.External.ConfigSource.Digest, d.External.ConfigSource.Path = f.Context.URI,
		f.Context.Digest, f.Dockerfile
	d.External.Request = newRequest(f, m)
	d.Internal.Builder, d.Internal.Target = f.Builder, f.Platform
	d.Materials = uniqueMaterials(f.Materials)
	r.Builder.ID = cmp.Or(f.BuilderID, builderID)
	if f.Version != "" {
		r.Builder.Version = map[string]string{"minirun": f.Version}
	}
	meta := &r.Metadata
	if meta.Invocation = f.Invocation; f.Invocation != "" {
		meta.Started, meta.Finished = &f.Started, &f.Finished
	}
	meta.Hermetic, meta.Reproducible = f.Hermetic, f.Reproducible
	meta.Completeness = completeness{Request: m == Max, Materials: len(f.Locals) == 0}
	if m == Max {
		d.Internal.Config, meta.Metadata = newBuildConfig(f), newMetadata(f)
	}
	return &p
}

// newRequest returns what the command line requested; with Max, all of it.
func newRequest(f Facts, m Mode) (r request) {
	r.Frontend = "dockerfile.v0"
	for _, name := range f.Locals {
		r.Locals = append(r.Locals, local{name})
	}
	if m == Max {
		r.Args, r.Secrets, r.SSH = requestArguments(f), f.Secrets, f.SSH
	}
	return r
}

// requestArguments returns the command-line options, with BuildKit's names.
func requestArguments(f Facts) map[string]string {
	out := map[string]string{}
	for name, value := range f.Arguments {
		out["build-arg:"+name] = value
	}
	for name, value := range f.Labels {
		out["label:"+name] = value
	}
	if f.Target != "" {
		out["target"] = f.Target
	}
	return out
}

// uniqueMaterials sorts materials and removes duplicates.
func uniqueMaterials(list []Material) []Material {
	out := slices.Clone(list)
	key := func(m Material) string { return m.URI + " " + m.Digest["sha256"] + m.Digest["sha1"] }
	slices.SortFunc(out, func(a, b Material) int { return cmp.Compare(key(a), key(b)) })
	out = slices.CompactFunc(out, func(a, b Material) bool { return key(a) == key(b) })
	if out == nil {
		out = []Material{}
	}
	return out
}

// ImageURL returns the package URL of an image: its familiar name without a digest, its tag
// and its platform (https://github.com/package-url/purl-spec).
func ImageURL(name, tag, platform string) string {
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		parts = append(parts, strings.ReplaceAll(url.PathEscape(part), ":", "%3A"))
	}
	out := "pkg:docker/" + strings.Join(parts, "/")
	if tag != "" {
		out += "@" + url.PathEscape(tag)
	}
	return out + "?platform=" + url.QueryEscape(platform)
}
