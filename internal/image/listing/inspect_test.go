package listing

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
	"github.com/minirun/minirun/internal/image/store"
)

// newStore returns a store with images, which are not unpacked. The first one is the oldest.
func newStore(t *testing.T, names ...string) *store.Store {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range names {
		created := time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC)
		d := addImage(t, s, oci.Image{Created: &created, Author: name,
			Platform: oci.Platform{OS: "linux", Architecture: "arm64"},
			Config:   oci.ImageConfig{Labels: map[string]string{"n": fmt.Sprint(n)}, Cmd: []string{"sh", "-c"}}})
		if name == none {
			err = s.AddUnnamed(context.Background(), d)
		} else if parsed, bad := image.ParseName(name); bad == nil {
			err = s.SetName(context.Background(), parsed, d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func addImage(t *testing.T, s *store.Store, config oci.Image) oci.Descriptor {
	t.Helper()
	put := func(mediaType string, v any) oci.Descriptor {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.PutDocument(mediaType, text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	config.RootFS = oci.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString("layer")}}
	m := oci.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeImageManifest,
		Layers: []oci.Descriptor{{MediaType: oci.MediaTypeImageLayer, Digest: digest.FromString("layer"), Size: 1000}}}
	m.Config = put(oci.MediaTypeImageConfig, config)
	return put(oci.MediaTypeImageManifest, m)
}

func TestFilters(t *testing.T) {
	s := newStore(t, "old:1", "lib/app:2", none, "new")
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"":                                 "new <none> lib/app:2 old:1",
		"dangling=true":                    "<none>",
		"dangling=false":                   "new lib/app:2 old:1",
		"reference=lib/*":                  "lib/app:2",
		"reference=old reference=*:latest": "new old:1",
		"label=n":                          "new <none> lib/app:2 old:1",
		"label=n=1":                        "lib/app:2",
		"label=n=1 label=m":                "",
		"label!=n=1 label!=m":              "new <none> old:1",
		"before=new":                       "<none> lib/app:2 old:1",
		"since=old:1 dangling=false":       "new lib/app:2",
		"until=168h":                       "lib/app:2 old:1",
		"until=2026-01-02T00:00:00Z":       "old:1",
		"until=1767225600":                 "",
		"before=nope":                      "no such image",
		"dangling=x":                       "true or false",
		"until=x":                          "must be a duration",
		"reference=[":                      "syntax error in pattern",
		"x=y":                              "the keys are dangling",
		"x":                                "KEY=VALUE",
	} {
		got := ""
		filter, err := ParseFilters(s, strings.Fields(text), now)
		if err == nil {
			var list []Image
			if list, err = Images(s, "", filter); err == nil {
				var names []string
				for _, i := range list {
					names = append(names, strings.TrimSuffix(fmt.Sprint(imageRow(i, false)["Name"]), ":latest"))
				}
				got = strings.Join(names, " ")
			}
		}
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestInspectHasDockersFields(t *testing.T) {
	s := newStore(t, "app:1")
	d, name, err := s.FindImage("app:1")
	if err != nil {
		t.Fatal(err)
	}
	two, err := image.ParseName("registry:5000/app:2")
	if err == nil {
		err = s.SetName(context.Background(), two, d)
	}
	if err != nil {
		t.Fatal(err)
	}
	i, err := s.Load(d, name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Inspect(s, i)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.RepoTags, []string{"app:1", "registry:5000/app:2"}) || !slices.Equal(got.RepoDigests,
		[]string{"app@" + d.Digest.String(), "registry:5000/app@" + d.Digest.String()}) {
		t.Errorf("%q %q", got.RepoTags, got.RepoDigests)
	}
	if got.Id != i.ID() || got.Os != "linux" || got.Architecture != "arm64" || got.Author != "app:1" ||
		got.Created != "2026-01-01T00:00:00Z" || got.Size != i.BlobSize() || len(got.RootFS.Layers) != 1 ||
		!slices.Equal(got.Config.Cmd, []string{"sh", "-c"}) {
		t.Errorf("%+v", got)
	}
	if _, err := s.LoadPlatform(d, name, "linux/arm64"); err != nil {
		t.Error(err)
	}
	if _, err := s.LoadPlatform(d, name, "linux/s390x"); err == nil ||
		!strings.Contains(err.Error(), "for linux/arm64, not for linux/s390x") {
		t.Error(err)
	}
}

func TestImagesFitTerminal(t *testing.T) {
	s := newStore(t, "registry.example.org:5000/department/team/application:version-1.2.3")
	list, err := Images(s, "", func(*store.Image) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{0, 80} {
		var out strings.Builder
		if err := WriteImages(&out, list, ImageStyle{Format: "table", Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); width > 0 && n > width {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		if isWhole := strings.Contains(out.String(), "department"); isWhole != (width == 0) ||
			!strings.Contains(out.String(), "packed") {
			t.Errorf("width %d: %s", width, &out)
		}
	}
}
