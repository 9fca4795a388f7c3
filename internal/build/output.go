package build

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/image/transfer"
	"github.com/minirun/minirun/internal/retry"
)

// A Delivery describes where a build's results go, and which metadata goes with them.
type Delivery struct {
	Outputs     []export.Output
	Names       []image.Name
	Annotations []export.Annotation // for all images
	Attest      attest.Options
	Version     string // of minirun

	Push     func(ctx context.Context, i *store.Image, to image.Name) error
	Progress transfer.Progress
}

// A Delivered is an image that was delivered.
type Delivered struct {
	Desc    oci.Descriptor // of a manifest or an index
	ID      string         // of a manifest: the configuration's digest; of an index: its own digest
	Config  string         // digest of the configuration; "" for an index
	Created *time.Time     // from the configuration; nil for an index
	Names   []image.Name
}

// Check rejects, before anything is built, outputs that are not possible.
func (d *Delivery) Check(o *Options) error {
	var all []string
	for _, p := range o.targetPlatforms() {
		all = append(all, platforms.Format(p))
	}
	if len(d.Annotations) > 0 && !slices.ContainsFunc(d.Outputs, func(o export.Output) bool { return o.IsImage() }) {
		return errors.New("--annotation needs an output of type image, oci or docker")
	}
	if HasInline(o.CacheTo) && !slices.ContainsFunc(d.Outputs, func(o export.Output) bool { return o.IsImage() }) {
		return errors.New("--cache-to type=inline needs an output of type image, oci or docker")
	}
	standard := 0
	for i := range d.Outputs {
		out := &d.Outputs[i]
		if err := d.checkOutput(out, all); err != nil {
			return fmt.Errorf("invalid --output type=%s: %w", out.Type, err)
		}
		if out.Dest == "-" {
			standard++
		}
	}
	if standard > 1 {
		return fmt.Errorf("%d outputs are written to standard output\nhint: use dest=FILE for all but one", standard)
	}
	return nil
}

func (d *Delivery) checkOutput(out *export.Output, all []string) error {
	names, err := d.namesFor(out)
	if err != nil {
		return err
	}
	index := len(all) > 1 || d.attestsProvenance(out) || d.Attest.SBOM
	switch {
	case out.Type == "docker" && len(all) > 1:
		return fmt.Errorf(
			"it contains one platform, not %s\nhint: use type=oci, or type=image and push", strings.Join(all, ", "),
		)
	case out.Push && len(names) == 0:
		return errors.New("push needs a name for the image\nhint: use -t NAME")
	case out.IsImage() && !index && export.NeedsIndex(append(d.Annotations, out.Annotations...)):
		return errors.New("annotations of an index need several platforms or an attestation")
	}
	return nil
}

func (d *Delivery) namesFor(out *export.Output) ([]image.Name, error) {
	own, err := export.ParseNames(out.Names)
	return append(own, d.Names...), err
}

// Deliver writes results to every output. It returns the delivered image, preferably the one
// in the store. The caller must hold the store's shared lock.
func (b *Builder) Deliver(ctx context.Context, d *Delivery, built []Built) (*Delivered, error) {
	var result *Delivered
	stored := false
	for i := range d.Outputs {
		out := &d.Outputs[i]
		id := 1<<20 + i // after all steps
		b.Sink.Begin(id, "exporting to "+out.Type)
		lines := retry.WithLines(ctx, func(p []byte) { b.Sink.Output(id, p) })
		one, err := b.writeOutput(lines, d, built, out, func(what string) { b.Sink.Note(id, what) })
		b.Sink.End(id, false, err)
		if err != nil {
			return nil, fmt.Errorf("cannot write --output type=%s: %w", out.Type, err)
		}
		if one != nil && !stored {
			result, stored = one, out.IsStored()
		}
	}
	return result, nil
}

func (b *Builder) writeOutput(
	ctx context.Context, d *Delivery, built []Built, out *export.Output, did func(string),
) (*Delivered, error) {
	if out.IsImage() {
		return b.writeImage(ctx, d, built, out, did)
	}
	if out.Type == "cacheonly" {
		return nil, nil
	}
	parts, err := d.outputParts(built, out)
	if err != nil {
		return nil, err
	}
	epoch := out.FileEpoch(built[0].origin.options.Epoch)
	if out.Type == "tar" {
		return nil, export.WriteTar(ctx, *out, parts, epoch)
	}
	return nil, export.WriteLocal(ctx, out.Dest, parts, epoch)
}

// outputParts returns the file systems of an output that consists of files.
func (d *Delivery) outputParts(built []Built, out *export.Output) (parts []export.Part, err error) {
	split := len(built) > 1
	if out.Split != nil {
		split = *out.Split
	}
	for i := range built {
		b := &built[i]
		p := export.Part{Layers: b.Layers}
		if split {
			p.At = platformDirectory(b.Platform)
		}
		if p.More, err = d.attestationFiles(b, out); err != nil {
			return nil, err
		}
		if len(built) > 1 && !split { // one directory holds the attestations of all platforms
			for n := range p.More {
				p.More[n].Name = strings.Replace(p.More[n].Name, ".", "."+platformDirectory(b.Platform)+".", 1)
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func platformDirectory(p oci.Platform) string {
	return strings.ReplaceAll(platforms.FormatAll(p), "/", "_")
}

// attestationFiles returns attestations as files, with the names that BuildKit uses.
func (d *Delivery) attestationFiles(b *Built, to *export.Output) (out []layer.Member, err error) {
	if !d.attestsProvenance(to) && !d.Attest.SBOM {
		return nil, nil
	}
	about, err := b.fileSubjects()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	list, err := d.predicates(b, to, "files for "+platforms.Format(b.Platform), digest.FromBytes(text).String())
	for _, p := range list {
		text, err := attest.Statement(p.kind, about, p.content)
		if err != nil {
			return nil, err
		}
		out = append(out, layer.Member{Name: p.file, Content: text})
	}
	return out, err
}

// A predicate is a statement about one platform's result.
type predicate struct {
	kind, file string
	content    any
}

// attestsProvenance reports whether an output gets a provenance. With inline-only, only images
// in the store and in registries do.
func (d *Delivery) attestsProvenance(to *export.Output) bool {
	return d.Attest.Provenance != attest.None && (to.IsStored() || !d.Attest.InlineOnly)
}

func (d *Delivery) predicates(b *Built, to *export.Output, name, digest string) (out []predicate, err error) {
	if d.Attest.SBOM {
		content, err := b.packageInventory(d.Version, name, digest)
		if err != nil {
			return nil, fmt.Errorf("cannot create the SBOM: %w", err)
		}
		out = append(out, predicate{attest.SPDXType, "sbom.spdx.json", content})
	}
	if d.attestsProvenance(to) {
		out = append(out, predicate{provenanceType(d.Attest), "provenance.json", b.provenance(d.Version, d.Attest)})
	}
	return out, nil
}

// writeImage stores the image, names it, and writes or sends it.
func (b *Builder) writeImage(
	ctx context.Context, d *Delivery, built []Built, out *export.Output, did func(string),
) (*Delivered, error) {
	names, err := d.namesFor(out)
	if err != nil {
		return nil, err
	}
	result := &Delivered{Names: names}
	if result.Desc, err = b.storeImage(ctx, d, built, out, result); err != nil {
		return nil, err
	}
	i, err := b.Store.Load(result.Desc, "")
	if err != nil {
		return nil, err
	}
	if result.ID = result.Desc.Digest.String(); !image.IsIndex(result.Desc.MediaType) {
		result.ID, result.Config, result.Created = i.ID(), i.ID(), i.Config.Created
	}
	did("exporting layers")
	did("writing image " + result.ID)
	if !out.IsStored() { // an archive alone leaves no image in the store
		return result, export.WriteArchive(ctx, b.Store, *out, archiveEntries(i, names), d.Progress)
	}
	if len(names) == 0 {
		return result, b.Store.AddUnnamed(ctx, result.Desc)
	}
	for _, n := range names {
		if err := b.Store.SetName(ctx, n, result.Desc); err != nil {
			return nil, err
		}
		did("naming to " + n.String())
	}
	if out.Push {
		for _, n := range names {
			if err := d.Push(ctx, i, n); err != nil {
				return nil, err
			}
			did("pushing " + n.String())
		}
	}
	return result, nil
}

// archiveEntries returns the entries of an archive: one for each name.
func archiveEntries(i *store.Image, names []image.Name) (out []transfer.NamedImage) {
	for _, n := range names {
		out = append(out, transfer.NamedImage{Name: n.String(), Image: i})
	}
	if len(out) == 0 {
		out = append(out, transfer.NamedImage{Image: i})
	}
	return out
}

// storeImage creates the image of each platform with its attestations, and an index if there is
// more than one manifest.
func (b *Builder) storeImage(
	ctx context.Context, d *Delivery, built []Built, out *export.Output, result *Delivered,
) (oci.Descriptor, error) {
	all := append(append([]export.Annotation{}, out.Annotations...), d.Annotations...)
	var list, attached []oci.Descriptor
	for i := range built {
		one := &built[i]
		epoch := one.origin.options.Epoch
		r := one.Image(cmp.Or(epoch, out.Epoch))
		r.Compression, r.Annotations, r.Rewrite, r.Epoch = out.Compression, all, out.Rewrite, out.FileEpoch(epoch)
		desc, err := export.StoreImage(ctx, b.Store, r)
		if err != nil {
			return desc, err
		}
		list = append(list, desc)
		extra, err := b.attachAttestations(d, out, one, desc, result.Names)
		if err != nil {
			return desc, err
		}
		attached = append(attached, extra...)
	}
	if list = append(list, attached...); len(list) == 1 {
		return list[0], nil
	}
	return export.StoreIndex(b.Store, list, all)
}

// attachAttestations stores the attestations of an image. The image itself does not change.
func (b *Builder) attachAttestations(
	d *Delivery, to *export.Output, one *Built, desc oci.Descriptor, names []image.Name,
) ([]oci.Descriptor, error) {
	platform := platforms.Format(one.Platform)
	name := desc.Digest.String()
	var about []attest.Subject
	for _, n := range names {
		tag := n.Tag
		n.Tag = ""
		about = append(
			about,
			attest.Subject{
				Name:   attest.ImageURL(n.Familiar(), tag, platform),
				Digest: map[string]string{"sha256": desc.Digest.Encoded()},
			},
		)
	}
	if len(about) == 0 {
		about = []attest.Subject{{Name: "_", Digest: map[string]string{"sha256": desc.Digest.Encoded()}}}
	} else {
		name = names[0].Familiar()
	}
	list, err := d.predicates(one, to, name, desc.Digest.String())
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var statements []export.Statement
	for _, p := range list {
		text, err := attest.Statement(p.kind, about, p.content)
		if err != nil {
			return nil, err
		}
		statements = append(statements, export.Statement{Type: p.kind, Text: text})
	}
	reference, err := export.Attach(b.Store, desc, statements)
	return []oci.Descriptor{reference}, err
}
