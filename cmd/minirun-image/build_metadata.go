package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/urfave/cli/v2"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/export"
	"github.com/minirun/minirun/internal/build/lint"
)

// Metadata is what --metadata-file has, under docker buildx's names. A metadata is how
// much: the environment says it, as it does to buildx.
type metadata struct {
	file       string
	provenance attest.Mode
	warnings   bool
}

// wantedMetadata reads the flag, BUILDX_METADATA_PROVENANCE and BUILDX_METADATA_WARNINGS.
func wantedMetadata(ctx *cli.Context) (m metadata, err error) {
	if m.file = ctx.String("metadata-file"); m.file == "" {
		return m, nil
	}
	switch text := cmp.Or(os.Getenv("BUILDX_METADATA_PROVENANCE"), "min"); text {
	case "min":
		m.provenance = attest.Min
	case "max":
		m.provenance = attest.Max
	default:
		on, err := strconv.ParseBool(text)
		switch {
		case text == "disabled" || err == nil && !on:
			m.provenance = attest.None
		case err == nil:
			m.provenance = attest.Min
		default:
			return m, fmt.Errorf("BUILDX_METADATA_PROVENANCE=%s: must be min, max or disabled", text)
		}
	}
	if text := os.Getenv("BUILDX_METADATA_WARNINGS"); text != "" {
		if m.warnings, err = strconv.ParseBool(text); err != nil {
			return m, fmt.Errorf("BUILDX_METADATA_WARNINGS=%s: must be true or false", text)
		}
	}
	return m, nil
}

// write writes the file, if it is wanted.
func (m metadata) write(built []build.Built, delivered *build.Delivery, d *build.Delivered, found *lint.Result) error {
	if m.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(m.of(built, delivered.Attest, d, found), "", "  ")
	if err == nil {
		err = export.Write(m.file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}

func (m metadata) of(built []build.Built, a attest.Options, d *build.Delivered, found *lint.Result) map[string]any {
	out := map[string]any{}
	for i := range built {
		b := &built[i]
		if i == 0 {
			out["buildx.build.ref"] = "default/default/" + strings.ToLower(b.Invocation())
		}
		key := "buildx.build.provenance"
		if len(built) > 1 {
			key += "/" + platforms.Format(b.Platform)
		}
		if m.provenance != attest.None {
			out[key] = b.ForMetadataFile(version, a, m.provenance)
		}
	}
	if list := vertexWarnings(found); m.warnings && len(list) > 0 {
		out["buildx.build.warnings"] = list
	}
	if d.ID == "" { // there is no image
		return out
	}
	out["containerimage.descriptor"], out["containerimage.digest"] = describedWith(d), d.Desc.Digest
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

// describedWith adds to the descriptor what buildx has with it: the digest of the
// configuration, and when the image was made.
func describedWith(d *build.Delivered) oci.Descriptor {
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
