// Package metadata composes the content of build --metadata-file, with docker buildx's names. The
// variables BUILDX_METADATA_PROVENANCE and BUILDX_METADATA_WARNINGS select what it contains.
package metadata

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/progress"
)

// Options select the content.
type Options struct {
	Provenance attest.Mode
	Warnings   bool
}

// FromEnvironment reads the variables.
func FromEnvironment() (o Options, err error) {
	switch text := cmp.Or(os.Getenv("BUILDX_METADATA_PROVENANCE"), "min"); text {
	case "min":
		o.Provenance = attest.Min
	case "max":
		o.Provenance = attest.Max
	default:
		on, err := strconv.ParseBool(text)
		switch {
		case text == "disabled" || err == nil && !on:
			o.Provenance = attest.None
		case err == nil:
			o.Provenance = attest.Min
		default:
			return o, fmt.Errorf("BUILDX_METADATA_PROVENANCE=%s: must be min, max or disabled", text)
		}
	}
	if text := os.Getenv("BUILDX_METADATA_WARNINGS"); text != "" {
		if o.Warnings, err = strconv.ParseBool(text); err != nil {
			return o, fmt.Errorf("BUILDX_METADATA_WARNINGS=%s: must be true or false", text)
		}
	}
	return o, nil
}

// A Result is a successful build.
type Result struct {
	Version   string // of minirun
	Built     []build.Built
	Delivered *build.Delivered
	Attest    attest.Options
	Record    string // ID in the build history, or ""
	Warnings  []progress.VertexWarning
}

// Fields returns the content of the file.
func (o Options) Fields(r Result) map[string]any {
	out := map[string]any{}
	for i := range r.Built {
		b := &r.Built[i]
		if i == 0 {
			out["buildx.build.ref"] = "default/default/" + cmp.Or(r.Record, strings.ToLower(b.Invocation()))
		}
		key := "buildx.build.provenance"
		if len(r.Built) > 1 {
			key += "/" + platforms.Format(b.Platform)
		}
		if o.Provenance != attest.None {
			out[key] = b.ForMetadataFile(r.Version, r.Attest, o.Provenance)
		}
	}
	if o.Warnings && len(r.Warnings) > 0 {
		out["buildx.build.warnings"] = r.Warnings
	}
	d := r.Delivered
	if d.ID == "" { // no image was created
		return out
	}
	out["containerimage.descriptor"], out["containerimage.digest"] = annotatedDescriptor(d), d.Desc.Digest
	if d.Config != "" {
		out["containerimage.config.digest"] = d.Config
	}
	var names []string
	for _, n := range d.Names {
		names = append(names, n.String())
	}
	if len(names) > 0 {
		out["image.name"] = strings.Join(names, ",")
	}
	return out
}

// annotatedDescriptor returns the descriptor with the annotations that buildx sets in it: the digest
// of the configuration, and the creation time of the image.
func annotatedDescriptor(d *build.Delivered) oci.Descriptor {
	desc := d.Desc
	desc.Annotations = nil
	if d.Config == "" {
		return desc
	}
	desc.Annotations = map[string]string{"config.digest": d.Config}
	if d.Created != nil {
		desc.Annotations[oci.AnnotationCreated] = d.Created.UTC().Format(time.RFC3339)
	}
	return desc
}
