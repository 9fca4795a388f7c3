package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"

	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/build/source"
	"github.com/minirun/minirun/internal/image"
)

// An origin holds what the results of one build have in common.
type origin struct {
	inputs       *inputs
	options      *Options
	invocation   string
	begun, ended time.Time
}

// provenance returns the predicate that describes how a result was built. With
// SOURCE_DATE_EPOCH it contains nothing that differs between builds: no time and no invocation
// ID.
func (b *Built) provenance(version string, a attest.Options) any {
	f := b.provenanceFacts(version, a)
	if a.SLSA02 {
		return attest.Provenance02(f, a.Provenance)
	}
	return attest.Provenance(f, a.Provenance)
}

// provenanceType returns the type of that predicate.
func provenanceType(a attest.Options) string {
	if a.SLSA02 {
		return attest.Provenance02Type
	}
	return attest.ProvenanceType
}

// ForMetadataFile returns the provenance for --metadata-file.
func (b *Built) ForMetadataFile(version string, a attest.Options, m attest.Mode) any {
	return attest.ForMetadataFile(b.provenanceFacts(version, a), m)
}

// Invocation returns the ID of the build, a random number.
func (b *Built) Invocation() string { return b.origin.invocation }

// provenanceFacts collects the facts about the build.
func (b *Built) provenanceFacts(version string, a attest.Options) attest.Facts {
	in, o := b.origin.inputs, b.origin.options
	f := attest.Facts{
		Version: version, BuilderID: a.BuilderID, Reproducible: a.Reproducible, Hermetic: true,
		Context: in.main, Dockerfile: in.name, Text: in.text, Arguments: o.BuildArgs, Labels: o.Labels, Target: o.Target,
		Locals: slices.Sorted(slices.Values(in.locals)), Materials: slices.Clone(in.others),
		Builder: platforms.Format(platforms.Normalize(platforms.DefaultSpec())), Platform: platforms.Format(b.Platform),
	}
	if o.Epoch == nil {
		f.Invocation, f.Started, f.Finished = b.origin.invocation, b.origin.begun, b.origin.ended
	}
	if in.main.URI != "" {
		f.Materials = append(f.Materials, in.main)
	}
	for _, n := range b.Graph.Needed() {
		switch op := n.Op.(type) {
		case *graph.From:
			if op.Image != nil {
				f.Materials = append(f.Materials, baseMaterial(n, op))
			}
		case *graph.Run:
			f.Hermetic = f.Hermetic && op.Network == "none"
			addSecrets(&f, op)
		}
		for _, x := range b.Steps[n.ID].Fetched {
			m := attest.Material{URI: source.RedactURL(x.URL), Digest: commitDigest(x.Commit)}
			if x.Digest != "" {
				m.Digest = map[string]string{"sha256": x.Digest.Encoded()}
			}
			f.Materials = append(f.Materials, m)
		}
	}
	f.Steps = definitionOf(b.Graph)
	return f
}

// baseMaterial describes an image named by a FROM or --from.
func baseMaterial(n *graph.Node, op *graph.From) attest.Material {
	i := op.Image
	platform := platforms.Format(platforms.Normalize(i.Config.Platform))
	if n.Stage != nil {
		platform = platforms.Format(n.Stage.Platform)
	}
	m := attest.Material{Digest: map[string]string{"sha256": i.Manifest.Encoded()}}
	name, err := image.ParseName(i.Name)
	if err != nil || isDigest(i.Name) { // from an OCI layout, which has no name
		m.URI = attest.ImageURL(strings.ToLower(op.Name), "", platform)
		return m
	}
	tag := name.Tag
	name.Tag, name.Digest = "", ""
	m.URI = attest.ImageURL(name.Familiar(), tag, platform)
	return m
}

// addSecrets records the IDs of secrets and agents, never their content.
func addSecrets(f *attest.Facts, op *graph.Run) {
	for _, m := range op.Mounts {
		s := attest.Secret{ID: m.ID, Optional: !m.Required}
		switch {
		case m.Type == "secret" && !slices.Contains(f.Secrets, s):
			f.Secrets = append(f.Secrets, s)
		case m.Type == "ssh" && !slices.Contains(f.SSH, s):
			f.SSH = append(f.SSH, s)
		}
	}
}

// commitDigest is the digest of a git commit, SHA-1 or SHA-256.
func commitDigest(commit string) map[string]string {
	switch len(commit) {
	case 40:
		return map[string]string{"sha1": commit}
	case sha256.Size * 2:
		return map[string]string{"sha256": commit}
	}
	return nil
}

// packageInventory lists the packages in a result.
func (b *Built) packageInventory(version, name, digest string) (any, error) {
	i := attest.Inventory{Version: version, Name: name, Digest: digest, Created: b.origin.ended}
	if e := b.origin.options.Epoch; e != nil {
		i.Created = *e
	}
	if len(b.Layers) > 0 {
		root, err := export.OpenMerged(b.Layers)
		if err != nil {
			return nil, err
		}
		defer func() { _ = root.Close() }()
		if i.Distribution, i.Packages, err = attest.ReadInstalled(root); err != nil {
			return nil, fmt.Errorf("cannot list the packages: %w", err)
		}
	}
	return attest.SPDX(i), nil
}

// fileSubjects lists the files of a result that is not an image.
func (b *Built) fileSubjects() ([]attest.Subject, error) {
	if len(b.Layers) == 0 {
		return nil, nil
	}
	root, err := export.OpenMerged(b.Layers)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	at := fmt.Sprintf("/proc/self/fd/%d", root.Fd())
	found := map[string]string{}
	err = filepath.WalkDir(at+"/.", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		sum, err := hashFile(path)
		found[strings.TrimPrefix(filepath.Clean(path), at+"/")] = sum
		return err
	})
	var out []attest.Subject
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, attest.Subject{Name: name, Digest: map[string]string{"sha256": found[name]}})
	}
	return out, err
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}
