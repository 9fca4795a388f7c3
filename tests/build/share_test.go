package build

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/share"
	"github.com/minirun/minirun/tests/testbundle"
)

// twoStages has a step of each kind, and programs that never do the same twice.
const twoStages = `FROM base AS builder
COPY f /src/f
RUN cat /proc/sys/kernel/random/uuid > /random; cat /src/f > /out
FROM base AS other
COPY g /g
RUN cat /g /proc/sys/kernel/random/uuid > /other
FROM base
WORKDIR /app
COPY --from=builder /out /app/out
COPY --from=other /g /app/g
RUN cat /proc/sys/kernel/random/uuid > /app/random
`

func twoStagesDir(t testing.TB) string {
	return contextDir(t, map[string]string{"Dockerfile": twoStages, "f": "one", "g": "two"}, "")
}

// freshStore has the image base.
func freshStore(t testing.TB) *store {
	t.Helper()
	b := testbundle.New(t)
	s := &store{b, t, filepath.Join(b.Host, "store")}
	b.Global = append(b.Global, "--store", s.dir)
	s.do("import", baseArchive(t), "base")
	return s
}

// clear takes away all but base.
func (s *store) clear() {
	s.t.Helper()
	s.do("rmi", "app")
	s.do("prune", "--build")
}

// A run is a build that has succeeded, as its progress tells it.
type run struct {
	made     []string // the steps that were not cached
	cached   []string
	fetched  []string // the steps whose layers were imported
	warnings string   // behind the progress
}

var progressLine = regexp.MustCompile(`^#(\d+) (.*)$`)

// build builds a context and names the image app.
func (s *store) build(dir string, flags ...string) run {
	s.t.Helper()
	args := append([]string{"build", "--progress", "plain"}, flags...)
	if !slices.Contains(flags, "-t") {
		args = append(args, "-t", "app")
	}
	r := s.Minirun(append(args, dir)...)
	if r.Status != 0 {
		s.t.Fatalf("build %q: status %d: %s", flags, r.Status, r.Stderr)
	}
	var out run
	names := map[string]string{}
	for line := range strings.Lines(r.Stderr) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "minirun: ") {
			out.warnings += line + "\n"
		}
		m := progressLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := names[m[1]]
		layer, fetched := strings.CutPrefix(name, "importing layer of ")
		switch {
		case name == "":
			names[m[1]] = m[2]
		case fetched && strings.HasPrefix(m[2], "DONE "):
			out.fetched = append(out.fetched, layer)
		case strings.HasPrefix(name, "[") && m[2] == "CACHED":
			out.cached = append(out.cached, name)
		case strings.HasPrefix(name, "[") && strings.HasPrefix(m[2], "DONE "):
			out.made = append(out.made, name)
		}
	}
	slices.Sort(out.made)
	slices.Sort(out.fetched)
	return out
}

// files are those of the image app that are no base's.
func (s *store) files(names ...string) (out []string) {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "image")
	s.do("unpack", "app", dir)
	for _, n := range names {
		text, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(string(text)))
	}
	return out
}

// has says how many of a manifest's layers the store has.
func (s *store) has(layers []oci.Descriptor) (n int) {
	for _, l := range layers {
		if _, err := os.Stat(blob(s.dir, l)); err == nil {
			n++
		}
	}
	return n
}

// want compares what was made or fetched: each word must be in the name at its place.
func want(t testing.TB, what string, got []string, words ...string) {
	t.Helper()
	ok := len(got) == len(words)
	for i := range words {
		ok = ok && strings.Contains(got[i], words[i])
	}
	if !ok {
		t.Errorf("%s: %q, want those with %q", what, got, words)
	}
}

// cacheOf reads a cache in a directory.
func cacheOf(t testing.TB, dir, tag string) (m oci.Manifest, records []share.Record) {
	t.Helper()
	var index oci.Index
	read(t, filepath.Join(dir, "index.json"), &index)
	for _, d := range index.Manifests {
		if d.Annotations[oci.AnnotationRefName] == tag {
			read(t, blob(dir, d), &m)
			text, err := os.ReadFile(blob(dir, m.Config))
			if err == nil {
				records, err = share.Parse(text)
			}
			if err != nil {
				t.Fatal(err)
			}
			return m, records
		}
	}
	t.Fatalf("%s has no tag %s", dir, tag)
	return m, nil
}

// TestCacheDirectory: a store that has never built takes all of it from a directory,
// also what a program has made by chance; of what no step needs, nothing comes but
// the records. Where the context is, whose it is and how old does not matter.
func TestCacheDirectory(t *testing.T) {
	here, there := freshStore(t), freshStore(t)
	cache := filepath.Join(t.TempDir(), "cache")
	want(t, "made at first", here.build(twoStagesDir(t), "--cache-to", "type=local,mode=max,dest="+cache).made,
		"[builder 2/3] COPY", "[builder 3/3] RUN", "[other 2/3]", "[other 3/3]", "[stage-2 2/5]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]")

	dir := twoStagesDir(t)
	if out, err := exec.Command("sh", "-ec", `chown -R 1234:567 "$1"; touch -d 2001-01-01 "$1"/*`, "sh", dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	got := there.build(dir, "--cache-from", "type=local,src="+cache)
	want(t, "made", got.made)
	want(t, "fetched", got.fetched, "[stage-2 2/5]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]")
	if a, b := here.files("app/random", "app/out", "app/g"), there.files("app/random", "app/out", "app/g"); !slices.Equal(a, b) || len(a[0]) != 36 {
		t.Errorf("the files are %q there, %q here", b, a)
	}
	m, records := cacheOf(t, cache, "latest")
	if len(m.Layers) != 8 || len(records) != 8 || m.Config.MediaType != share.MediaType {
		t.Errorf("the cache has %d layers, %d records, and a configuration %s", len(m.Layers), len(records), m.Config.MediaType)
	}
	if n := there.has(m.Layers); n != 4 {
		t.Errorf("%d layers of 8 came, the image has 4", n)
	}
	// It is its own cache now.
	got = there.build(dir)
	// The stages' own steps stayed in the directory, so they run, and what is copied of them is looked at again. It is
	// the same as before: the last RUN is not run.
	want(t, "made without the directory", got.made, "[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]", "[stage-2 3/5]", "[stage-2 4/5]")
	there.do("store", "check")
	there.clear()
	there.do("store", "check")
	if list, err := os.ReadDir(filepath.Join(there.dir, "layers")); err != nil || len(list) != 1 {
		t.Errorf("%d layers are left, base has 1: %v", len(list), err)
	}
	want(t, "made behind a prune", there.build(dir, "--cache-from", "type=local,src="+cache).made)
}

// TestCacheMode: min has the steps of the result's own layers only.
func TestCacheMode(t *testing.T) {
	here, there := freshStore(t), freshStore(t)
	cache, dir := filepath.Join(t.TempDir(), "cache"), twoStagesDir(t)
	here.build(dir, "--cache-to", "type=local,dest="+cache)
	m, records := cacheOf(t, cache, "latest")
	if len(m.Layers) != 4 || len(records) != 4 {
		t.Errorf("min has %d layers and %d records, want 4", len(m.Layers), len(records))
	}
	// The stages run again; what is copied of them has come out the same.
	got := there.build(dir, "--cache-from", "type=local,src="+cache)
	want(t, "made", got.made, "[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]")
	if a, b := here.files("app/random"), there.files("app/random"); !slices.Equal(a, b) {
		t.Errorf("the files are %q there, %q here", b, a)
	}
}

// TestCacheChange: what does not depend on a file that has changed is taken, also
// the files that a step needs which runs again.
func TestCacheChange(t *testing.T) {
	here, there := freshStore(t), freshStore(t)
	cache, dir := filepath.Join(t.TempDir(), "cache"), twoStagesDir(t)
	here.build(dir, "--cache-to", "type=local,mode=max,dest="+cache)
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("three"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := there.build(dir, "--cache-from", "type=local,src="+cache)
	want(t, "made", got.made, "[builder 2/3]", "[builder 3/3]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]")
	want(t, "fetched", got.fetched, "[other 2/3]", "[other 3/3]", "[stage-2 2/5]")
	if got := there.files("app/out", "app/g"); !slices.Equal(got, []string{"three", "two"}) {
		t.Errorf("%q", got)
	}
}

// TestCacheTwice: several builds use a directory: a tag each, or one for another.
func TestCacheTwice(t *testing.T) {
	s := freshStore(t)
	cache := filepath.Join(t.TempDir(), "cache")
	first, second := twoStagesDir(t), contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /random\n", "f": "f"}, "")
	s.build(first, "--cache-to", "type=local,dest="+cache, "--cache-to", "type=local,mode=max,tag=kept,dest="+cache)
	before, _ := cacheOf(t, cache, "latest")
	s.build(second, "--cache-to", "type=local,dest="+cache, "--no-cache")
	random := s.files("random")
	m, records := cacheOf(t, cache, "latest")
	if len(records) != 2 || len(m.Layers) != 2 {
		t.Errorf("%d records, %d layers", len(records), len(m.Layers))
	}
	for _, l := range before.Layers { // the other tag has them
		if _, err := os.Stat(blob(cache, l)); err != nil {
			t.Error(err)
		}
	}
	other := freshStore(t)
	want(t, "made", other.build(second, "--cache-from", "type=local,src="+cache).made)
	if got := other.files("random"); !slices.Equal(got, random) {
		t.Errorf("%q, want %q", got, random)
	}
	want(t, "made", other.build(first, "--cache-from", "type=local,tag=kept,src="+cache).made)
	// What no tag has any more goes away, and what a writer that was killed has left.
	if err := os.WriteFile(filepath.Join(cache, ".aside-7"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.build(second, "--cache-to", "type=local,tag=kept,dest="+cache)
	list, err := os.ReadDir(filepath.Join(cache, "blobs/sha256"))
	if err != nil || len(list) != 4 { // two layers, a document, a manifest
		t.Errorf("%d blobs are left: %v, %v", len(list), list, err)
	}
	if _, err := os.Stat(filepath.Join(cache, ".aside-7")); err == nil {
		t.Error(".aside-7 is left")
	}
	// Side by side.
	done := make(chan testbundle.Result)
	for i := range 4 {
		go func() {
			cmd := s.Command("build", "-q", "--cache-to", fmt.Sprintf("type=local,tag=t%d,dest=%s", i, cache), second)
			done <- testbundle.Finish(t, cmd)
		}()
	}
	for range 4 {
		if r := <-done; r.Status != 0 {
			t.Error(r.Stderr)
		}
	}
	for i := range 4 {
		cacheOf(t, cache, fmt.Sprint("t", i))
	}
	// An image is not taken for an old cache.
	layout := filepath.Join(t.TempDir(), "layout")
	s.build(second, "--output", "type=oci,tar=false,dest="+layout)
	var index oci.Index
	read(t, filepath.Join(layout, "index.json"), &index)
	index.Manifests[0].Annotations = map[string]string{oci.AnnotationRefName: "latest"}
	write(t, filepath.Join(layout, "index.json"), index)
	if r := s.Minirun("build", "-q", "--cache-to", "type=local,dest="+layout, second); r.Status == 0 || !strings.Contains(r.Stderr, "something else under the tag latest") {
		t.Errorf("an image was overwritten: %d %s", r.Status, r.Stderr)
	}
}

func write(t testing.TB, path string, what any) {
	t.Helper()
	text, err := json.Marshal(what)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestCacheAgain: what was imported is exported again, layers that were not needed
// too; of one that is lost, the step is left out.
func TestCacheAgain(t *testing.T) {
	first, second, third := freshStore(t), freshStore(t), freshStore(t)
	dir, one, two := twoStagesDir(t), filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	first.build(dir, "--cache-to", "type=local,mode=max,dest="+one)
	m, records := cacheOf(t, one, "latest")
	lost := slices.IndexFunc(records, func(r share.Record) bool { return strings.HasPrefix(r.Text, "RUN cat /g") })
	if err := os.Remove(blob(one, *records[lost].Layer)); err != nil {
		t.Fatal(err)
	}
	got := second.build(dir, "--cache-from", "type=local,src="+one, "--cache-to", "type=local,mode=max,dest="+two)
	want(t, "made", got.made)
	if !strings.Contains(got.warnings, `the layer of "RUN cat /g`) {
		t.Errorf("the lost layer is not told of: %q", got.warnings)
	}
	again, _ := cacheOf(t, two, "latest")
	if len(again.Layers) != len(m.Layers)-1 {
		t.Errorf("%d layers of %d came through", len(again.Layers), len(m.Layers))
	}
	want(t, "made", third.build(dir, "--cache-from", "type=local,src="+two).made, "[other 3/3]")
	if a, b := first.files("app/random"), third.files("app/random"); !slices.Equal(a, b) {
		t.Errorf("the files are %q there, %q here", b, a)
	}
}

// spoil rewrites the document of a cache, as who can write to it might.
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

// TestCacheDamaged: a cache that is not what it says gives the files that a build
// without it gives, and a warning.
func TestCacheDamaged(t *testing.T) {
	here, s, dir := freshStore(t), freshStore(t), twoStagesDir(t)
	whole := filepath.Join(t.TempDir(), "whole")
	here.build(dir, "--cache-to", "type=local,mode=max,dest="+whole)
	hostile, diffID := hostileLayer(t)
	_, all := cacheOf(t, whole, "latest")
	layerOf := func(step string) *oci.Descriptor {
		return all[slices.IndexFunc(all, func(r share.Record) bool { return strings.HasPrefix(r.Text, step) })].Layer
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
		}, "does not have this digest", []string{"[stage-2 3/5]"}},
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
		}, "does not have this digest", []string{"[stage-2 3/5]"}},
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
		}, "is not one of the manifest's", nil},
		{"a digest that is a path", func(t *testing.T, dir string) {
			spoil(t, dir, func(_ *oci.Manifest, d map[string]any) {
				record(d, "COPY f")["result"] = "sha256:../../../../etc/passwd"
			})
		}, "sha256", nil},
		{"a later version", func(t *testing.T, dir string) {
			spoil(t, dir, func(_ *oci.Manifest, d map[string]any) { d["version"] = 2 })
		}, "is of a version that this minirun does not know", nil},
		{"a later media type", func(t *testing.T, dir string) {
			spoil(t, dir, func(m *oci.Manifest, _ map[string]any) {
				m.Config.MediaType = "application/vnd.minirun.build.cache.v9+json"
			})
		}, "is of a version that this minirun does not know", nil},
		{"another builder's", func(t *testing.T, dir string) {
			spoil(t, dir, func(m *oci.Manifest, _ map[string]any) {
				m.Config.MediaType = "application/vnd.buildkit.cacheconfig.v0"
			})
		}, "has no build cache of minirun's", nil},
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
			s.t = t
			got := s.build(dir, "--cache-from", "type=local,src="+cache)
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
				t.Errorf("made %q, for want of %q", got.made, c.made)
			}
			if !strings.Contains(got.warnings, "--cache-from") || !strings.Contains(got.warnings, c.warns) {
				t.Errorf("it warns of %q, not of %q", got.warnings, c.warns)
			}
			if got := s.files("app/out", "app/g"); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("the files are %q", got)
			}
			s.do("store", "check")
			s.clear()
		})
	}
}

// hostileLayer is an archive with a file that would be outside.
func hostileLayer(t *testing.T) ([]byte, digest.Digest) {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "../../../escaped", Mode: 0o644})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), digest.FromBytes(out.Bytes())
}

// TestCacheRepaired: a damaged blob does not stay in a directory that is written to.
func TestCacheRepaired(t *testing.T) {
	s, dir := freshStore(t), contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY f /f\n", "f": "f"}, "")
	cache := filepath.Join(t.TempDir(), "cache")
	s.build(dir, "--cache-to", "type=local,dest="+cache)
	m, _ := cacheOf(t, cache, "latest")
	path := blob(cache, m.Layers[0])
	if err := os.WriteFile(path, make([]byte, m.Layers[0].Size), 0o644); err != nil {
		t.Fatal(err)
	}
	flags := []string{"--cache-from", "type=local,src=" + cache, "--cache-to", "type=local,dest=" + cache}
	want(t, "made", freshStore(t).build(dir, flags...).made, "[2/2] COPY")
	want(t, "made", freshStore(t).build(dir, flags...).made)
}

// startRegistry starts docker-registry on loopback.
func startRegistry(t *testing.T) (host string) {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed: apt install docker-registry")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %s}\n", dir, host)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", filepath.Join(dir, "config.yml"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		if c, err := net.Dial("tcp", host); err == nil {
			c.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return ""
}

// TestCacheRegistry: the same through a registry, where other tools copy it.
func TestCacheRegistry(t *testing.T) {
	host := startRegistry(t)
	first, second, third := freshStore(t), freshStore(t), freshStore(t)
	dir, name := twoStagesDir(t), host+"/team/app:cache"
	// There is none yet: a warning, as at the first build of every pipeline.
	got := first.build(dir, "--cache-from", name, "--cache-to", "type=registry,mode=max,compression=zstd,ref="+name)
	if !strings.Contains(got.warnings, "no such tag or repository") {
		t.Errorf("it warns of %q", got.warnings)
	}
	got = second.build(dir, "--cache-from", name, "--cache-to", "type=registry,mode=max,ref="+host+"/team/second:cache")
	want(t, "made", got.made)
	if a, b := first.files("app/random"), second.files("app/random"); !slices.Equal(a, b) {
		t.Errorf("the files are %q there, %q here", b, a)
	}
	// A layer that was lost on the way does not keep the others from being sent.
	lossy := filepath.Join(t.TempDir(), "lossy")
	first.build(dir, "--cache-to", "type=local,mode=max,dest="+lossy)
	_, records := cacheOf(t, lossy, "latest")
	if err := os.Remove(blob(lossy, *records[slices.IndexFunc(records, func(r share.Record) bool { return strings.HasPrefix(r.Text, "RUN cat /g") })].Layer)); err != nil {
		t.Fatal(err)
	}
	got = third.build(dir, "--cache-from", "type=local,src="+lossy, "--cache-to", "type=registry,mode=max,ref="+host+"/team/lossy:cache")
	want(t, "made", got.made)
	if !strings.Contains(got.warnings, "the step is not exported") {
		t.Errorf("it warns of %q", got.warnings)
	}
	third.clear()
	want(t, "made", third.build(dir, "--cache-from", host+"/team/lossy:cache").made, "[other 3/3]")
	third.clear()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed: apt install skopeo")
	}
	layout := filepath.Join(t.TempDir(), "layout")
	for _, args := range [][]string{
		{"copy", "-q", "--src-tls-verify=false", "docker://" + host + "/team/second:cache", "oci:" + layout + ":moved"},
		{"copy", "-q", "--dest-tls-verify=false", "oci:" + layout + ":moved", "docker://" + host + "/elsewhere/app:x"},
	} {
		if out, err := exec.Command("skopeo", args...).CombinedOutput(); err != nil {
			t.Fatalf("skopeo %q: %v: %s", args, err, out)
		}
	}
	want(t, "made", third.build(dir, "--cache-from", "type=local,src="+layout).made)
	want(t, "made", freshStore(t).build(dir, "--cache-from", "type=registry,ref="+host+"/elsewhere/app:x").made)
}

// TestCacheInline: the records travel in the image: through a registry, in an
// archive, in an index of several platforms.
func TestCacheInline(t *testing.T) {
	host := startRegistry(t)
	here, dir := freshStore(t), twoStagesDir(t)
	here.build(dir, "-t", host+"/app:1", "--push", "--cache-to", "type=inline")
	here.do("tag", host+"/app:1", "app")
	random := here.files("app/random")
	rest := []string{"[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]"}

	pulls := freshStore(t)
	want(t, "made", pulls.build(dir, "--cache-from", host+"/app:1").made, rest...)
	if got := pulls.files("app/random"); !slices.Equal(got, random) {
		t.Errorf("the files are %q, want %q", got, random)
	}

	layout := filepath.Join(t.TempDir(), "layout")
	here.do("save", "-q", "-o", layout+".tar", "app")
	if err := os.Mkdir(layout, 0o755); err != nil {
		t.Fatal(err)
	}
	untar(t, layout+".tar", layout)
	want(t, "made", freshStore(t).build(dir, "--cache-from", "type=local,src="+layout).made, rest...)

	loads := freshStore(t)
	loads.do("load", "-q", layout+".tar")
	loads.do("tag", "app", "nowhere.invalid/app:loaded")
	want(t, "made", loads.build(dir, "--cache-from", "nowhere.invalid/app:loaded").made, rest...)

	without := freshStore(t)
	without.build(dir, "-t", host+"/plain:1", "--push")
	if got := without.build(dir, "--cache-from", host+"/plain:1"); !strings.Contains(got.warnings, "without --cache-to type=inline") {
		t.Errorf("it warns of %q", got.warnings)
	}

	several := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\nWORKDIR /w\n", "f": "f"}, "")
	both := []string{"--platform", "linux/amd64,linux/arm64"}
	here.build(several, append(both, "-t", host+"/both:1", "--push", "--cache-to", "type=inline")...)
	want(t, "made", freshStore(t).build(several, append(both, "--cache-from", host+"/both:1")...).made)
}

// TestCacheLinked: a layer of COPY --link is the same on every base; what stands on
// it is not. A user that is looked up is the base's.
func TestCacheLinked(t *testing.T) {
	s := freshStore(t)
	s.do("import", "--change", "LABEL x=y", otherBase(t), "otherbase")
	for flag, owners := range map[string][]string{"": {"0", "0", "0"}, "--chown=app": {"1000", "4321", "1000"}} {
		for i, base := range []string{"base", "otherbase", "base"} {
			dir := contextDir(t, map[string]string{"Dockerfile": "FROM " + base + "\nCOPY --link " + flag + " f /f\nRUN stat -c %u /f > /owner; cat /etc/which > /which || echo base > /which\n", "f": "f"}, "")
			s.build(dir)
			want := []string{owners[i], map[string]string{"base": "base", "otherbase": "other"}[base]}
			if got := s.files("owner", "which"); !slices.Equal(got, want) {
				t.Errorf("on %s with %q: %q, want %q", base, flag, got, want)
			}
		}
	}
}

// otherBase is a base with another user app.
func otherBase(t *testing.T) string {
	dir := t.TempDir()
	script := `mkdir "$1/root" && tar -C "$1/root" -xf "$2" && sed -i s/app:x:1000/app:x:4321/ "$1/root/etc/passwd" && echo other > "$1/root/etc/which" && tar --numeric-owner -C "$1/root" -cf "$1/other.tar" .`
	if out, err := exec.Command("sh", "-ec", script, "sh", dir, baseArchive(t)).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	return filepath.Join(dir, "other.tar")
}

// TestNoCacheMount: --no-cache of a RUN that mounts the context.
func TestNoCacheMount(t *testing.T) {
	s := freshStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --mount=type=bind,target=/c cat /c/f > /out\n", "f": "f"}, "")
	cache := filepath.Join(t.TempDir(), "cache")
	s.build(dir)
	s.build(dir, "--no-cache", "--cache-to", "type=local,mode=max,dest="+cache)
	if _, records := cacheOf(t, cache, "latest"); len(records) != 1 {
		t.Errorf("%d records: the context is not one", len(records))
	}
}
