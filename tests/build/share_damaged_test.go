package build

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/internal/tartest"
)

// spoil rewrites the document of a cache, as any process with write access could.
func spoil(t *testing.T, dir string, change func(m *oci.Manifest, document map[string]any)) {
	t.Helper()
	var index oci.Index
	read(t, filepath.Join(dir, "index.json"), &index)
	var m oci.Manifest
	read(t, blob(dir, index.Manifests[0]), &m)
	document := map[string]any{}
	read(t, blob(dir, m.Config), &document)
	change(&m, document)
	put := func(what any, d *oci.Descriptor) {
		text, err := json.Marshal(what)
		if err != nil {
			t.Fatal(err)
		}
		d.Digest, d.Size = digest.FromBytes(text), int64(len(text))
		if err := os.WriteFile(blob(dir, *d), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(document, &m.Config)
	put(m, &index.Manifests[0])
	write(t, filepath.Join(dir, "index.json"), index)
}

// TestDamagedCacheIsNotUsed: with a corrupt or forged cache, a build produces the same files as without
// it, and a warning.
func TestDamagedCacheIsNotUsed(t *testing.T) {
	here, s, dir := freshStore(t), freshStore(t), twoStagesDir(t)
	whole := filepath.Join(t.TempDir(), "whole")
	here.rebuild(dir, "--cache-to", "type=local,mode=max,dest="+whole)
	hostile, diffID := hostileLayer(t)
	_, all := cacheOf(t, whole, "latest")
	layerOf := func(step string) *oci.Descriptor {
		return all[slices.IndexFunc(all, func(r remotecache.Record) bool { return strings.HasPrefix(r.Text, step) })].Layer
	}
	record := func(document map[string]any, step string) map[string]any {
		for _, r := range document["records"].([]any) {
			if r := r.(map[string]any); strings.HasPrefix(r["text"].(string), step) {
				return r
			}
		}
		t.Fatal("no record of ", step)
		return nil
	}
	cases := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		warns string
		made  []string
	}{
		{"a byte of a layer", func(t *testing.T, dir string) {
			path := blob(dir, *layerOf("COPY --from=builder"))
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text[len(text)/2] ^= 1
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "does not match its digest", []string{"[stage-2 3/5]"}},
		{"a layer is missing", func(t *testing.T, dir string) {
			if err := os.Remove(blob(dir, *layerOf("RUN cat /proc/sys/kernel/random/uuid > /app"))); err != nil {
				t.Fatal(err)
			}
		}, "no such file", []string{"[stage-2 5/5]"}},
		{"a layer is a link out of it", func(t *testing.T, dir string) {
			path := blob(dir, *layerOf("COPY --from=builder"))
			if err := os.Rename(path, filepath.Join(filepath.Dir(dir), "outside")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("../../../outside", path); err != nil {
				t.Fatal(err)
			}
		}, "escapes", []string{"[stage-2 3/5]"}},
		{"another step's layer", func(t *testing.T, dir string) {
			spoil(t, dir, func(_ *oci.Manifest, d map[string]any) {
				record(d, "COPY --from=builder")["layer"] = record(d, "COPY --from=other")["layer"]
			})
		}, "does not match its digest", []string{"[stage-2 3/5]"}},
		{"a layer that leaves its directory", func(t *testing.T, dir string) {
			spoil(t, dir, func(m *oci.Manifest, d map[string]any) {
				desc := oci.Descriptor{MediaType: oci.MediaTypeImageLayer, Digest: diffID, Size: int64(len(hostile))}
				if err := os.WriteFile(blob(dir, desc), hostile, 0o644); err != nil {
					t.Fatal(err)
				}
				m.Layers = append(m.Layers, desc)
				r := record(d, "COPY --from=builder")
				r["layer"], r["diffID"] = desc, diffID
			})
		}, "refused", []string{"[stage-2 3/5]"}},
		{"a layer that is not the manifest's", func(t *testing.T, dir string) {
			spoil(t, dir, func(m *oci.Manifest, _ map[string]any) { m.Layers = m.Layers[1:] })
		}, "is not in the manifest", nil},
		{"a digest that is a path", func(t *testing.T, dir string) {
			spoil(t, dir, func(_ *oci.Manifest, d map[string]any) {
				record(d, "COPY f")["result"] = "sha256:../../../../etc/passwd"
			})
		}, "sha256", nil},
		{"a later version", func(t *testing.T, dir string) {
			spoil(t, dir, func(_ *oci.Manifest, d map[string]any) { d["version"] = 2 })
		}, "unsupported version of the cache format", nil},
		{"a later media type", func(t *testing.T, dir string) {
			spoil(t, dir, func(m *oci.Manifest, _ map[string]any) {
				m.Config.MediaType = "application/vnd.minirun.build.cache.v9+json"
			})
		}, "unsupported version of the cache format", nil},
		{"another builder's", func(t *testing.T, dir string) {
			spoil(t, dir, func(m *oci.Manifest, _ map[string]any) {
				m.Config.MediaType = "application/vnd.buildkit.cacheconfig.v0"
			})
		}, "no build cache of minirun", nil},
		{"index.json is cut", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"manifests":[`), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "index.json", nil},
		{"it is not there", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}, "no such file", nil},
	}
	everything := []string{"[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]", "[stage-2 2/5]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]"}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			if out, err := exec.Command("cp", "-a", whole, cache).CombinedOutput(); err != nil {
				t.Fatal(err, string(out))
			}
			c.spoil(t, cache)
			s.T = t
			got := s.rebuild(dir, "--cache-from", "type=local,src="+cache)
			made := c.made
			if made == nil {
				made = everything
			}
			for _, m := range made {
				if !slices.ContainsFunc(got.made, func(g string) bool { return strings.HasPrefix(g, m) }) {
					t.Errorf("%s was not made: %q", m, got.made)
				}
			}
			if c.made != nil && len(got.made) > 2*len(c.made) {
				t.Errorf("ran the steps %q, want %q", got.made, c.made)
			}
			if !strings.Contains(got.warnings, "--cache-from") || !strings.Contains(got.warnings, c.warns) {
				t.Errorf("the warnings are %q, want %q", got.warnings, c.warns)
			}
			if got := s.files("app/out", "app/g"); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("the files are %q", got)
			}
			s.Check()
			s.clear()
		})
	}
}

// hostileLayer is an archive with a file whose path leads outside.
func hostileLayer(t *testing.T) ([]byte, digest.Digest) {
	t.Helper()
	out := tartest.Archive(t, old, tartest.File("../../../escaped", ""))
	return out, digest.FromBytes(out)
}

// TestDamagedCacheIsRepaired: a damaged blob in a directory is replaced when a build writes to the
// directory.
func TestDamagedCacheIsRepaired(t *testing.T) {
	s, dir := freshStore(t), contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY f /f\n", "f": "f"}, "")
	cache := filepath.Join(t.TempDir(), "cache")
	s.rebuild(dir, "--cache-to", "type=local,dest="+cache)
	m, _ := cacheOf(t, cache, "latest")
	path := blob(cache, m.Layers[0])
	if err := os.WriteFile(path, make([]byte, m.Layers[0].Size), 0o644); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--cache-from", "type=local,src=" + cache, "--cache-to", "type=local,dest=" + cache}
	want(t, "made", freshStore(t).rebuild(dir, flags...).made, "[2/2] COPY")
	want(t, "made", freshStore(t).rebuild(dir, flags...).made)
}
