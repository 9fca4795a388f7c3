package store

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

// addImage stores an image with one layer, which is not unpacked. The layer makes it unique.
func addImage(t *testing.T, s *Store, layer string) (oci.Descriptor, oci.Manifest) {
	t.Helper()
	put := func(mediaType string, text []byte, err error) oci.Descriptor {
		t.Helper()
		var d oci.Descriptor
		if err == nil {
			d, err = s.PutDocument(mediaType, text)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	text, err := json.Marshal(oci.Image{RootFS: oci.RootFS{Type: "layers",
		DiffIDs: []digest.Digest{digest.FromString(layer)}}})
	m := oci.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		Config: put(oci.MediaTypeImageConfig, text, err), Layers: []oci.Descriptor{put(oci.MediaTypeImageLayer,
			[]byte(layer), nil)},
	}
	text, err = json.Marshal(m)
	return put(oci.MediaTypeImageManifest, text, err), m
}

func setName(t *testing.T, s *Store, name string, d oci.Descriptor) {
	t.Helper()
	n, err := image.ParseName(name)
	if err == nil {
		err = s.SetName(context.Background(), n, d)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// listNames returns the names in index.json, with the first digits of the digests.
func listNames(t *testing.T, s *Store) string {
	t.Helper()
	index, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range index.Manifests {
		out = append(out, fmt.Sprintf("%s=%s", image.Familiar(refName(d)), d.Digest.Encoded()[:4]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestNameMoves: an image that loses its only name stays listed without one, until prune.
func TestNameMoves(t *testing.T) {
	s := newStore(t)
	first, _ := addImage(t, s, "first")
	second, _ := addImage(t, s, "second")
	one, two := first.Digest.Encoded()[:4], second.Digest.Encoded()[:4]
	setName(t, s, "app", first)
	setName(t, s, "app:old", first)
	setName(t, s, "app", second)
	if got, want := listNames(t, s), "app:latest="+two+" app:old="+one; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	setName(t, s, "app:old", second)
	if got := listNames(t, s); !strings.Contains(got, "="+one) || !strings.Contains(got, "app:old="+two) {
		t.Errorf("the first image is not listed: %s", got)
	}
	setName(t, s, "first", first)
	if got, want := listNames(t, s), "app:latest="+two+" app:old="+two+" first:latest="+one; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSweepKeepsWhatIsNamed: the blobs of images stay, and everything else is removed.
func TestSweepKeepsWhatIsNamed(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	kept, m := addImage(t, s, "kept")
	setName(t, s, "kept", kept)
	addImage(t, s, "unreferenced")
	for _, name := range []string{"tmp/blob-1", "locks/1"} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := s.Sweep(ctx)
	if err != nil || out.Blobs != 3 || out.Layers != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	for _, d := range []digest.Digest{kept.Digest, m.Config.Digest, m.Layers[0].Digest} {
		if !s.Has(d) {
			t.Errorf("%s was removed", d)
		}
	}
	for _, dir := range []string{"tmp", "locks"} {
		if list, err := os.ReadDir(filepath.Join(s.Dir, dir)); err != nil || len(list) > 0 {
			t.Errorf("%s has %v, %v", dir, list, err)
		}
	}
}

// TestPruneRemovesUnusedImages: without all, only images without a name; with all, also images with
// one, unless a container uses them.
func TestPruneRemovesUnusedImages(t *testing.T) {
	s := newStore(t)
	ctx := context.Background()
	named, _ := addImage(t, s, "named")
	used, m := addImage(t, s, "used")
	unnamed, _ := addImage(t, s, "unnamed")
	setName(t, s, "named", named)
	setName(t, s, "used", used)
	if err := s.AddUnnamed(ctx, unnamed); err != nil {
		t.Fatal(err)
	}
	origin, err := json.Marshal(image.Origin{Name: "used", ID: m.Config.Digest.String(),
		Manifest: used.Digest.String()})
	if err == nil {
		err = os.Mkdir(s.Container("c"), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.Container("c"), "container.json"), origin, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		all  bool
		want []string
	}{{false, []string{unnamed.Digest.String()}}, {false, nil}, {true, []string{"docker.io/library/named:latest"}}} {
		removed, _, err := s.Prune(ctx, Selection{All: c.all})
		if err != nil || !slices.Equal(removed, c.want) {
			t.Errorf("all %v: %q, %v, want %q", c.all, removed, err, c.want)
		}
	}
	if !s.Has(used.Digest) || s.Has(named.Digest) {
		t.Errorf("the image of the container is stored: %v, the other one: %v", s.Has(used.Digest), s.Has(named.Digest))
	}
}

// TestCheckReportsDamage: a store without damage has no problems, and each kind of damage is one.
func TestCheckReportsDamage(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(s *Store, m oci.Manifest) error
		want   string
	}{
		"none": {func(*Store, oci.Manifest) error { return nil }, ""},
		"no layer": {func(s *Store, m oci.Manifest) error { return os.Remove(s.Blob(m.Layers[0].Digest.String())) },
			"layer 1, "},
		"no config": {func(s *Store, m oci.Manifest) error { return os.Remove(s.Blob(m.Config.Digest.String())) },
			"no such file"},
		"short layer": {func(s *Store, m oci.Manifest) error {
			return os.Truncate(s.Blob(m.Layers[0].Digest.String()),
				1)
		}, "has 1 bytes"},
		"changed blob": {func(s *Store, m oci.Manifest) error {
			return os.WriteFile(s.Blob(m.Layers[0].Digest.String()), []byte("lAyer"), 0o600)
		}, "the content has digest"},
		"other name": {func(s *Store, _ oci.Manifest) error { return os.WriteFile(s.Blob("x"), nil, 0o600) },
			"the name is not a digest"},
		"bad index": {func(s *Store, _ oci.Manifest) error {
			return os.WriteFile(filepath.Join(s.Dir, "index.json"), []byte("{"), 0o600)
		}, "index.json"},
		"bad layer": {func(s *Store, _ oci.Manifest) error {
			return os.Mkdir(filepath.Join(s.Dir, "layers", "x"),
				0o700)
		}, "layers/x: "},
		"bad unpacked": {func(s *Store, _ oci.Manifest) error {
			return os.WriteFile(s.Unpacked("x"), []byte("y\n"),
				0o600)
		}, `"y" is not a digest`},
	} {
		s := newStore(t)
		d, m := addImage(t, s, "layer")
		setName(t, s, "app", d)
		if err := c.damage(s, m); err != nil {
			t.Fatal(err)
		}
		r, err := s.Check(context.Background(), true)
		if err != nil {
			t.Fatal(err)
		}
		problems := strings.Join(r.Wrong, "\n")
		if c.want == "" && problems != "" || !strings.Contains(problems, c.want) {
			t.Errorf("%s: %q, want %q", name, problems, c.want)
		}
	}
}
