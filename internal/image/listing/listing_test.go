package listing

import (
	"bytes"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/store"
	"github.com/minirun/minirun/internal/inspect"
)

func TestNameMatchesAnyTag(t *testing.T) {
	for _, c := range []struct {
		full, want string
		matches    bool
	}{
		{"docker.io/library/app:1", "app", true}, {"docker.io/library/app:1", "app:1", true},
		{"docker.io/library/app:1", "app:2", false},
		{"localhost:5000/app:1", "localhost:5000/app", true}, {"localhost:5000/app:1", "app", false},
		{"", "app", false}, {"docker.io/library/app:1", "UPPER", false},
	} {
		if got := matches(c.full, c.want); got != c.matches {
			t.Errorf("%s %s: %v", c.full, c.want, got)
		}
	}
}

// TestHistoryTakesLayersInOrder: instructions that created no layer take none, and layers that the
// history does not have come last.
func TestHistoryTakesLayersInOrder(t *testing.T) {
	i := &store.Image{}
	for _, text := range []string{"a", "b", "c"} {
		i.Manifest.Layers = append(i.Manifest.Layers, oci.Descriptor{Digest: digest.FromString(text),
			Size: int64(len(text))})
	}
	i.Config.History = []oci.History{{CreatedBy: "ADD a"}, {CreatedBy: "CMD x", EmptyLayer: true},
		{CreatedBy: "RUN  b\n\tb"}}
	var got []string
	for _, h := range History(i, nil) {
		name := "none"
		for n, text := range []string{"a", "b", "c"} {
			if h.Layer == digest.FromString(text).String() {
				name = "abc"[n : n+1]
			}
		}
		got = append(got, h.CreatedBy+"="+name)
	}
	if all := strings.Join(got, ";"); all != "ADD a=a;CMD x=none;RUN  b\n\tb=b;=c" {
		t.Errorf("%q", all)
	}
	var out bytes.Buffer
	if err := WriteHistory(&out, History(i, nil), HistoryStyle{Format: "table", Width: 80}); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(out.String(), "\n"); len(lines) != 6 || !strings.Contains(lines[2], "RUN b b") ||
		!strings.HasPrefix(lines[3], "metadata") {
		t.Errorf("%s", &out)
	}
}

func TestWriteLayersShowsTopFirst(t *testing.T) {
	list := []Layer{
		{Number: 1, Command: "ADD base", Difference: &layer.Difference{Added: 1, Bytes: 10,
			Files: []layer.Change{{Path: "/a", What: layer.Added, Size: 10}}}},
		{Number: 2, Command: strings.Repeat("x", 80), Difference: &layer.Difference{Removed: 1, Wasted: 10,
			Files: []layer.Change{
				{Path: "/d", What: layer.Parent, Dir: true}, {Path: "/d/\x1b", What: layer.Removed},
			}}},
	}
	var out bytes.Buffer
	if err := WriteLayers(&out, list, false, 80); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if !strings.HasPrefix(lines[1], "2 ") || !strings.HasSuffix(lines[1], "x…") || !strings.HasPrefix(lines[2], "1 ") ||
		!strings.Contains(out.String(), "10B are wasted") {
		t.Errorf("%s", &out)
	}
	out.Reset()
	if err := WriteLayers(&out, list, true, 80); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n     d/\n   -   \\x1b\n", "\n   + a  10B\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q has no %q", &out, want)
		}
	}
}

func TestWriteOriginFailsWithoutVisibleFile(t *testing.T) {
	var out bytes.Buffer
	if err := WriteOrigin(&out, "/a", []inspect.LayerFile{{Number: 2, Kind: "file", Seen: true},
		{Number: 1, Kind: "file", Why: "the file"}}); err != nil {
		t.Error(err)
	}
	if got := out.String(); got != "2  file  visible\n1  file  hidden: the file\n" {
		t.Errorf("%q", got)
	}
	if err := WriteOrigin(&out, "/a", []inspect.LayerFile{{Number: 1, Kind: "-"}}); err == nil ||
		!strings.Contains(err.Error(), "does not exist in a container") {
		t.Error(err)
	}
}
