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
	"github.com/minirun/minirun/internal/termtext"
)

// An outcome is a successful build and the options that affect its output.
type outcome struct {
	cli      *cli.Context
	delivery *build.Delivery
	metadata metadata

	built  []build.Built
	record string // ID in the build history, or ""
	found  *lint.Result
	took   time.Duration

	unknownArguments, unknownStages []string // not declared in the Dockerfile
}

// tell prints the result and writes it to files. d is nil for a build without output.
func (o *outcome) tell(d *build.Delivered) error {
	if d == nil {
		d = &build.Delivered{}
	}
	if isQuiet(o.cli) && d.ID != "" {
		termtext.Fprintln(o.cli.App.Writer, d.ID)
	}
	if file := o.cli.String("iidfile"); file != "" {
		if err := export.Write(file, []byte(d.ID)); err != nil {
			return fmt.Errorf("--iidfile: %w", err)
		}
	}
	if err := o.writeMetadata(d); err != nil {
		return err
	}
	for _, name := range o.unknownArguments {
		warn(fmt.Errorf("--build-arg %s: the Dockerfile has no such ARG", name))
	}
	for _, name := range o.unknownStages {
		warn(fmt.Errorf("--no-cache-filter %s: no stage has this name", name))
	}
	return explainBuilt(o.cli, o.built, o.took)
}

// metadata configures --metadata-file. docker buildx's environment variables select its content.
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

// writeMetadata writes the file if it was requested.
func (o *outcome) writeMetadata(d *build.Delivered) error {
	if o.metadata.file == "" {
		return nil
	}
	text, err := json.MarshalIndent(o.fields(d), "", "  ")
	if err == nil {
		err = export.Write(o.metadata.file, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--metadata-file: %w", err)
	}
	return nil
}

// fields returns the content of the file.
func (o *outcome) fields(d *build.Delivered) map[string]any {
	out := map[string]any{}
	for i := range o.built {
		b := &o.built[i]
		if i == 0 {
			out["buildx.build.ref"] = "default/default/" + cmp.Or(o.record, strings.ToLower(b.Invocation()))
		}
		key := "buildx.build.provenance"
		if len(o.built) > 1 {
			key += "/" + platforms.Format(b.Platform)
		}
		if m := o.metadata.provenance; m != attest.None {
			out[key] = b.ForMetadataFile(version, o.delivery.Attest, m)
		}
	}
	if list := vertexWarnings(o.found); o.metadata.warnings && len(list) > 0 {
		out["buildx.build.warnings"] = list
	}
	if d.ID == "" { // no image was created
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

// describedWith adds the annotations that buildx sets in the descriptor: the digest of the
// configuration, and the creation time of the image.
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
