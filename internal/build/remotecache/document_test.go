package remotecache

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/image"
)

func sample() Record {
	return Record{
		Keys: []digest.Digest{digest.FromString("asked"), digest.FromString("looked")}, Result: digest.FromString("result"),
		DiffID: digest.FromString("plain"),
		Layer:  &oci.Descriptor{MediaType: oci.MediaTypeImageLayerGzip, Digest: digest.FromString("blob"), Size: 7},
		Text:   "RUN make",
	}
}

func TestDocumentIsKept(t *testing.T) {
	inline := sample()
	inline.Layer = nil
	for _, want := range [][]Record{{}, {sample()}, {sample(), inline}} {
		text, err := Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

// TestParseRejects: Parse rejects each defect, and its error contains the given word.
func TestParseRejects(t *testing.T) {
	for what, c := range map[string]struct {
		change func(r *Record)
		error  string
	}{
		"no key":         {func(r *Record) { r.Keys = nil }, "1 to 4 keys, not 0"},
		"many keys":      {func(r *Record) { r.Keys = make([]digest.Digest, maxKeys+1) }, "1 to 4 keys, not 5"},
		"a key":          {func(r *Record) { r.Keys[1] = "sha256:abc" }, "sha256:abc"},
		"a path":         {func(r *Record) { r.Result = "sha256:" + digest.Digest(strings.Repeat("../", 20)) }, "../"},
		"another digest": {func(r *Record) { r.DiffID = digest.SHA512.FromString("x") }, "sha512"},
		"no diff ID":     {func(r *Record) { r.DiffID = "" }, "digest"},
		"a blob":         {func(r *Record) { r.Layer.Digest = "x" }, "layer: "},
		"a size":         {func(r *Record) { r.Layer.Size = -1 }, "-1 bytes"},
		"a media type":   {func(r *Record) { r.Layer.MediaType = "text/html" }, "text/html"},
		"a long text":    {func(r *Record) { r.Text = strings.Repeat("x", maxText+1) }, "text: "},
	} {
		r := sample()
		c.change(&r)
		text, err := Marshal([]Record{r})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), c.error) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for text, want := range map[string]error{`{"version":2,"records":"another kind"}`: ErrVersion, `{}`: ErrVersion} {
		if _, err := Parse([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"", "[]", `{"version":1,"records":[3]}`, `{"version":"1"}`, strings.Repeat(" ", maxDocument+1)} {
		if _, err := Parse([]byte(text)); err == nil || errors.Is(err, ErrVersion) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// Alternative URLs and other fields of a layer's descriptor are dropped.
func TestParseDropsLayerURLs(t *testing.T) {
	r := sample()
	r.Layer.URLs, r.Layer.Annotations, r.Layer.Data = []string{"http://elsewhere.example"}, map[string]string{"a": "b"},
		[]byte("x")
	text, err := Marshal([]Record{r})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(text)
	if err != nil || !reflect.DeepEqual(got, []Record{sample()}) {
		t.Errorf("%+v, %v", got[0].Layer, err)
	}
}

// Values that Parse returns are safe in file names, and are encoded without change.
func FuzzParse(f *testing.F) {
	text, err := Marshal([]Record{sample()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"records":[{"keys":["sha256:` + strings.Repeat("0", 64) + `"]}]}`))
	f.Add([]byte(`{"version":1,"records":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		records, err := Parse(text)
		if err != nil {
			return
		}
		for _, r := range records {
			all := append([]digest.Digest{r.Result, r.DiffID}, r.Keys...)
			if r.Layer != nil {
				all = append(all, r.Layer.Digest)
			}
			for _, d := range all {
				if err := image.CheckDigest(d.String()); err != nil {
					t.Errorf("%q came through: %v", d, err)
				}
			}
		}
		out, err := json.Marshal(document{version, records})
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > maxDocument {
			return
		}
		again, err := Parse(out)
		if err != nil || len(again) != len(records) {
			t.Errorf("%d records, then %d: %v", len(records), len(again), err)
		}
		for i := range again {
			if !reflect.DeepEqual(again[i], records[i]) {
				t.Errorf("%+v, then %+v", records[i], again[i])
			}
		}
	})
}
