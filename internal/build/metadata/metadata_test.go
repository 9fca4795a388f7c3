package metadata

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build"
	"github.com/minirun/minirun/internal/build/attest"
	"github.com/minirun/minirun/internal/build/progress"
)

func TestEnvironmentSelectsContent(t *testing.T) {
	for _, c := range []struct {
		provenance, warnings string
		want                 Options
		fails                string
	}{
		{"", "", Options{Provenance: attest.Min}, ""},
		{"max", "1", Options{Provenance: attest.Max, Warnings: true}, ""},
		{"disabled", "false", Options{Provenance: attest.None}, ""},
		{"false", "", Options{Provenance: attest.None}, ""},
		{"true", "", Options{Provenance: attest.Min}, ""},
		{"some", "", Options{}, "BUILDX_METADATA_PROVENANCE=some"},
		{"", "some", Options{}, "BUILDX_METADATA_WARNINGS=some"},
	} {
		t.Setenv("BUILDX_METADATA_PROVENANCE", c.provenance)
		t.Setenv("BUILDX_METADATA_WARNINGS", c.warnings)
		got, err := FromEnvironment()
		if c.fails == "" && (err != nil || got != c.want) || c.fails != "" &&
			(err == nil || !strings.HasPrefix(err.Error(), c.fails)) {
			t.Errorf("%q %q: %+v, %v", c.provenance, c.warnings, got, err)
		}
	}
}

func TestFieldsOfImage(t *testing.T) {
	created := time.Unix(0, 0)
	r := Result{
		Delivered: &build.Delivered{ID: "sha256:1", Config: "sha256:1", Created: &created, Desc: oci.Descriptor{
			Digest: "sha256:2", Annotations: map[string]string{oci.AnnotationRefName: "x"},
		}},
		Warnings: []progress.VertexWarning{{Level: 1}},
	}
	got := Options{Provenance: attest.None, Warnings: true}.Fields(r)
	want := []string{"buildx.build.warnings", "containerimage.config.digest", "containerimage.descriptor",
		"containerimage.digest"}
	if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, want) {
		t.Errorf("%q", keys)
	}
	d := got["containerimage.descriptor"].(oci.Descriptor)
	if !maps.Equal(d.Annotations, map[string]string{"config.digest": "sha256:1",
		oci.AnnotationCreated: "1970-01-01T00:00:00Z"}) {
		t.Errorf("%q", d.Annotations)
	}
	if got := (Options{}).Fields(Result{Delivered: &build.Delivered{}, Warnings: r.Warnings}); len(got) != 0 {
		t.Errorf("without an image: %v", got)
	}
}
