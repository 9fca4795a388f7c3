package imagetools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"text/template"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/termtext"
)

// describeManifest formats a manifest or an index in the form that buildx prints.
func describeManifest(name string, m Manifest) string {
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
	termtext.Fprintf(w, "Name:\t%s\nMediaType:\t%s\nDigest:\t%s\n", name, m.MediaType, m.Digest)
	if m.SchemaVersion != 0 {
		termtext.Fprintf(w, "\t\nManifests:\t\n")
	}
	_ = w.Flush() // the underlying writer returns no errors
	base, _, _ := strings.Cut(name, "@")
	for i, d := range m.Manifests {
		if i > 0 {
			termtext.Fprintf(w, "\t\n")
		}
		termtext.Fprintf(w, "  Name:\t%s@%s\n  MediaType:\t%s\n", base, d.Digest, d.MediaType)
		describeDescriptor(w, d)
	}
	_ = w.Flush()
	return out.String()
}

func describeDescriptor(w *tabwriter.Writer, d oci.Descriptor) {
	if p := d.Platform; p != nil {
		termtext.Fprintf(w, "  Platform:\t%s\n", platforms.Format(*p))
		if p.OSVersion != "" {
			termtext.Fprintf(w, "  OSVersion:\t%s\n", p.OSVersion)
		}
		if len(p.OSFeatures) > 0 {
			termtext.Fprintf(w, "  OSFeatures:\t%s\n", strings.Join(p.OSFeatures, ", "))
		}
	}
	if len(d.URLs) > 0 {
		termtext.Fprintf(w, "  URLs:\t%s\n", strings.Join(d.URLs, ", "))
	}
	if len(d.Annotations) == 0 {
		return
	}
	termtext.Fprintf(w, "  Annotations:\t\n")
	_ = w.Flush() // so that the annotations are aligned separately
	for _, key := range slices.Sorted(maps.Keys(d.Annotations)) {
		termtext.Fprintf(w, "    %s:\t%s\n", key, d.Annotations[key])
	}
	_ = w.Flush()
}

// Format executes a Go template with a view. The template "json" means {{json .}}.
func (v *View) Format(text string) (string, error) {
	if text == "json" {
		text = "{{json .}}"
	}
	t, err := template.New("").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		out, err := json.MarshalIndent(v, "", "  ")
		return string(out), err
	}}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("--format: %w", err)
	}
	var out strings.Builder
	if err := t.Execute(&out, v); err != nil {
		return "", fmt.Errorf("--format: %w", err)
	}
	return out.String(), nil
}
