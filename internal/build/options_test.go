package build

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/executor"
	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/image/store"
)

// TestParseSecrets: where the value of a secret comes from. Without src and env, the variable of its
// name comes before the file.
func TestParseSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"file", "both", "a,b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("both", "value")
	t.Setenv("TOKEN", "value")
	for text, want := range map[string]executor.Secret{
		"id=s,src=file": {File: "file"}, "id=s,source=file": {File: "file"}, "id=s,type=file,src=file": {File: "file"},
		`id=s,"src=a,b"`: {File: "a,b"}, "id=s,env=TOKEN": {Data: []byte("value")},
		"id=s,type=env,src=TOKEN": {Data: []byte("value")},
		"id=file":                 {File: "file"}, "id=both": {Data: []byte("value")}, "id=both,type=file": {File: "both"},
		"id=TOKEN,type=env": {Data: []byte("value")},
	} {
		got, err := ParseSecrets([]string{text})
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", text, got, err)
			continue
		}
		for _, s := range got {
			if !reflect.DeepEqual(s, want) {
				t.Errorf("%s: %+v, want %+v", text, s, want)
			}
		}
	}
	for text, want := range map[string]string{
		"src=file": "id= is missing", "id=s,src=none": "no such file", "id=s,src=.": "not a regular file",
		"id=s,env=NONE":    "the variable NONE is not set",
		"id=s,type=socket": "type=socket is not file or env", "id=s,mode=400": `unknown key "mode"`,
	} {
		if got, err := ParseSecrets([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", text, got, err, want)
		}
	}
}

// TestTargetPlatforms: a platform that is named twice, in any spelling, is built once.
func TestTargetPlatforms(t *testing.T) {
	parse := func(names ...string) (out []oci.Platform) {
		for _, n := range names {
			p, err := platforms.Parse(n)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, p)
		}
		return out
	}
	for _, c := range []struct {
		given []oci.Platform
		want  []string
	}{
		{nil, []string{platforms.Format(platforms.Normalize(platforms.DefaultSpec()))}},
		{parse("linux/amd64", "linux/arm64"), []string{"linux/amd64", "linux/arm64"}},
		{parse("linux/amd64", "linux/x86_64", "linux/arm64/v8", "linux/arm64"), []string{"linux/amd64", "linux/arm64"}},
		{parse("linux/arm/v6", "linux/arm/v7"), []string{"linux/arm/v6", "linux/arm/v7"}},
	} {
		var got []string
		for _, p := range (&Options{Platforms: c.given}).targetPlatforms() {
			got = append(got, platforms.Format(p))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v, want %v", c.given, got, c.want)
		}
	}
}

// TestIsBetterMatch: which image of an index is used for a platform.
func TestIsBetterMatch(t *testing.T) {
	platform := func(name string) *oci.Platform {
		p, err := platforms.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		return &p
	}
	image := func(name string) *store.Image {
		if name == "" {
			return nil
		}
		i := &store.Image{}
		i.Desc.Platform = platform(name)
		return i
	}
	for _, c := range []struct {
		wanted, has, best string // best: the one found so far
		want              bool
	}{
		{"linux/amd64", "linux/amd64", "", true}, {"linux/amd64", "linux/arm64", "", false},
		{"linux/amd64", "linux/386", "", false}, // the processor could run it
		{"linux/arm/v7", "linux/arm/v6", "", true}, {"linux/arm/v6", "linux/arm/v7", "", false},
		{"linux/arm/v7", "linux/arm/v7", "linux/arm/v6", true}, {"linux/arm/v7", "linux/arm/v6", "linux/arm/v7", false},
	} {
		if got := isBetterMatch(*platform(c.wanted), platform(c.has), image(c.best)); got != c.want {
			t.Errorf("%s for %s instead of %q: %t, want %t", c.has, c.wanted, c.best, got, c.want)
		}
	}
}

// TestNoCachePredicate: which stages are built again.
func TestNoCachePredicate(t *testing.T) {
	if (&Options{}).noCachePredicate() != nil {
		t.Error("without flags there is a predicate")
	}
	for _, c := range []struct {
		o     Options
		stage string
		want  bool
	}{
		{Options{NoCache: true}, "any", true}, {Options{Without: []string{"Builder"}}, "builder", true},
		{Options{Without: []string{"builder"}}, "stage-1", false},
	} {
		if got := c.o.noCachePredicate()(c.stage); got != c.want {
			t.Errorf("%+v, %s: %t, want %t", c.o, c.stage, got, c.want)
		}
	}
}

// TestHasInline: an inline cache is one of several.
func TestHasInline(t *testing.T) {
	if HasInline([]remotecache.To{{Type: remotecache.Local}}) || !HasInline([]remotecache.To{{Type: remotecache.Local}, {Type: remotecache.Inline}}) {
		t.Error("HasInline is wrong")
	}
}
