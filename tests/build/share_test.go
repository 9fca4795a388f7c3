package build

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/internal/build/remotecache"
	"github.com/minirun/minirun/tests/testbundle"
)

// twoStages has a step of each kind, and programs whose output is never the same twice.
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

// freshStore returns a store that has the image base.
func freshStore(t testing.TB) *store {
	t.Helper()
	s := &store{testbundle.NewStore(t)}
	s.Do("import", baseArchive(t), "base")
	return s
}

// clear removes everything except base.
func (s *store) clear() {
	s.T.Helper()
	s.Do("rmi", "app")
	s.Do("prune", "--build")
}

// A run is a successful build, as reported by its progress.
type run struct {
	made     []string // the steps that were not cached
	cached   []string
	fetched  []string // the steps whose layers were imported
	warnings string   // printed after the progress
}

var progressLine = regexp.MustCompile(`^#(\d+) (.*)$`)

// rebuild builds a context and names the image app.
func (s *store) rebuild(dir string, flags ...string) run {
	s.T.Helper()
	args := append([]string{"build", "--progress", "plain"}, flags...)
	if !slices.Contains(flags, "-t") {
		args = append(args, "-t", "app")
	}
	r := s.Minirun(append(args, dir)...)
	if r.Status != 0 {
		s.T.Fatalf("build %q: status %d: %s", flags, r.Status, r.Stderr)
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
		case looksUp.MatchString(name):
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

// files returns the files of the image app that are not from the base.
func (s *store) files(names ...string) (out []string) {
	s.T.Helper()
	dir := filepath.Join(s.T.TempDir(), "image")
	s.Do("unpack", "app", dir)
	for _, n := range names {
		text, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			s.T.Fatal(err)
		}
		out = append(out, strings.TrimSpace(string(text)))
	}
	return out
}

// has returns how many of a manifest's layers are in the store.
func (s *store) has(layers []oci.Descriptor) (n int) {
	for _, l := range layers {
		if _, err := os.Stat(blob(s.StoreDir, l)); err == nil {
			n++
		}
	}
	return n
}

// want compares the steps that ran, or the layers that were fetched: each word must occur in the name
// at its index.
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

// cacheOf reads a cache from a directory.
func cacheOf(t testing.TB, dir, tag string) (m oci.Manifest, records []remotecache.Record) {
	t.Helper()
	var index oci.Index
	read(t, filepath.Join(dir, "index.json"), &index)
	for _, d := range index.Manifests {
		if d.Annotations[oci.AnnotationRefName] == tag {
			read(t, blob(dir, d), &m)
			text, err := os.ReadFile(blob(dir, m.Config))
			if err == nil {
				records, err = remotecache.Parse(text)
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

// TestCacheInDirectory: a store that has never built anything gets everything from a directory,
// including results that a program produced at random; nothing but the records is fetched for layers
// that no step needs. Path, owner and age of the context do not matter.
func TestCacheInDirectory(t *testing.T) {
	here, there := freshStore(t), freshStore(t)
	cache := filepath.Join(t.TempDir(), "cache")
	want(t, "made at first", here.rebuild(twoStagesDir(t), "--cache-to", "type=local,mode=max,dest="+cache).made,
		"[builder 2/3] COPY", "[builder 3/3] RUN", "[other 2/3]", "[other 3/3]", "[stage-2 2/5]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]")

	dir := twoStagesDir(t)
	if out, err := exec.Command("sh", "-ec", `chown -R 1234:567 "$1"; touch -d 2001-01-01 "$1"/*`, "sh", dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	got := there.rebuild(dir, "--cache-from", "type=local,src="+cache)
	want(t, "made", got.made)
	want(t, "fetched", got.fetched, "[stage-2 2/5]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]")
	if a, b := here.files("app/random", "app/out", "app/g"), there.files("app/random", "app/out", "app/g"); !slices.Equal(a, b) || len(a[0]) != 36 {
		t.Errorf("the files are %q there, %q here", b, a)
	}
	m, records := cacheOf(t, cache, "latest")
	if len(m.Layers) != 8 || len(records) != 8 || m.Config.MediaType != remotecache.MediaType {
		t.Errorf("the cache has %d layers, %d records, and a configuration %s", len(m.Layers), len(records), m.Config.MediaType)
	}
	if n := there.has(m.Layers); n != 4 {
		t.Errorf("%d layers of 8 came, the image has 4", n)
	}
	// Now the store itself has the cache.
	got = there.rebuild(dir)
	// The stages' layers were not fetched from the directory, so their steps run, and the files
	// copied from them are examined again. They are the same as before, so the last RUN does not run.
	want(t, "made without the directory", got.made, "[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]", "[stage-2 3/5]", "[stage-2 4/5]")
	there.Check()
	there.clear()
	there.Check()
	if list, err := os.ReadDir(filepath.Join(there.StoreDir, "layers")); err != nil || len(list) != 1 {
		t.Errorf("%d layers are left, base has 1: %v", len(list), err)
	}
	want(t, "made behind a prune", there.rebuild(dir, "--cache-from", "type=local,src="+cache).made)
}

// TestCacheModeMinHasOnlyResultLayers: mode min has only the steps of the result's own layers.
func TestCacheModeMinHasOnlyResultLayers(t *testing.T) {
	here, there := freshStore(t), freshStore(t)
	cache, dir := filepath.Join(t.TempDir(), "cache"), twoStagesDir(t)
	here.rebuild(dir, "--cache-to", "type=local,dest="+cache)
	m, records := cacheOf(t, cache, "latest")
	if len(m.Layers) != 4 || len(records) != 4 {
		t.Errorf("min has %d layers and %d records, want 4", len(m.Layers), len(records))
	}
	// The stages run again; the files copied from them are the same.
	got := there.rebuild(dir, "--cache-from", "type=local,src="+cache)
	want(t, "made", got.made, "[builder 2/3]", "[builder 3/3]", "[other 2/3]", "[other 3/3]")
	if a, b := here.files("app/random"), there.files("app/random"); !slices.Equal(a, b) {
		t.Errorf("the files are %q there, %q here", b, a)
	}
}

// TestCacheServesUnaffectedSteps: everything that does not depend on a changed file is taken from the
// cache, including the files needed by a step that runs again.
func TestCacheServesUnaffectedSteps(t *testing.T) {
	here, there := freshStore(t), freshStore(t)
	cache, dir := filepath.Join(t.TempDir(), "cache"), twoStagesDir(t)
	here.rebuild(dir, "--cache-to", "type=local,mode=max,dest="+cache)
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("three"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := there.rebuild(dir, "--cache-from", "type=local,src="+cache)
	want(t, "made", got.made, "[builder 2/3]", "[builder 3/3]", "[stage-2 3/5]", "[stage-2 4/5]", "[stage-2 5/5]")
	want(t, "fetched", got.fetched, "[other 2/3]", "[other 3/3]", "[stage-2 2/5]")
	if got := there.files("app/out", "app/g"); !slices.Equal(got, []string{"three", "two"}) {
		t.Errorf("%q", got)
	}
}

// TestBuildsShareOneCacheDirectory: several builds use the same directory, with a tag for each, or with
// one cache replacing another.
func TestBuildsShareOneCacheDirectory(t *testing.T) {
	s := freshStore(t)
	cache := filepath.Join(t.TempDir(), "cache")
	first, second := twoStagesDir(t), contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /random\n", "f": "f"}, "")
	s.rebuild(first, "--cache-to", "type=local,dest="+cache, "--cache-to", "type=local,mode=max,tag=kept,dest="+cache)
	before, _ := cacheOf(t, cache, "latest")
	s.rebuild(second, "--cache-to", "type=local,dest="+cache, "--no-cache")
	random := s.files("random")
	m, records := cacheOf(t, cache, "latest")
	if len(records) != 2 || len(m.Layers) != 2 {
		t.Errorf("%d records, %d layers", len(records), len(m.Layers))
	}
	for _, l := range before.Layers { // the other tag refers to them
		if _, err := os.Stat(blob(cache, l)); err != nil {
			t.Error(err)
		}
	}
	other := freshStore(t)
	want(t, "made", other.rebuild(second, "--cache-from", "type=local,src="+cache).made)
	if got := other.files("random"); !slices.Equal(got, random) {
		t.Errorf("%q, want %q", got, random)
	}
	want(t, "made", other.rebuild(first, "--cache-from", "type=local,tag=kept,src="+cache).made)
	// Blobs that no tag refers to any more are removed, and so are the leftovers of a writer that was
	// killed.
	if err := os.WriteFile(filepath.Join(cache, ".temporary-7"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.rebuild(second, "--cache-to", "type=local,tag=kept,dest="+cache)
	list, err := os.ReadDir(filepath.Join(cache, "blobs/sha256"))
	if err != nil || len(list) != 4 { // two layers, a document, a manifest
		t.Errorf("%d blobs are left: %v, %v", len(list), list, err)
	}
	if _, err := os.Stat(filepath.Join(cache, ".temporary-7")); err == nil {
		t.Error(".temporary-7 is left")
	}
	// Two builds at the same time.
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
	// An image is not mistaken for an old cache.
	layout := filepath.Join(t.TempDir(), "layout")
	s.rebuild(second, "--output", "type=oci,tar=false,dest="+layout)
	var index oci.Index
	read(t, filepath.Join(layout, "index.json"), &index)
	index.Manifests[0].Annotations = map[string]string{oci.AnnotationRefName: "latest"}
	write(t, filepath.Join(layout, "index.json"), index)
	if r := s.Minirun("build", "-q", "--cache-to", "type=local,dest="+layout, second); r.Status == 0 || !strings.Contains(r.Stderr, "the tag latest is not a build cache") {
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

// TestImportedCacheIsExportedAgain: what was imported is exported again, including layers that were not
// needed; if a layer is lost, its step is left out.
func TestImportedCacheIsExportedAgain(t *testing.T) {
	first, second, third := freshStore(t), freshStore(t), freshStore(t)
	dir, one, two := twoStagesDir(t), filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	first.rebuild(dir, "--cache-to", "type=local,mode=max,dest="+one)
	m, records := cacheOf(t, one, "latest")
	lost := slices.IndexFunc(records, func(r remotecache.Record) bool { return strings.HasPrefix(r.Text, "RUN cat /g") })
	if err := os.Remove(blob(one, *records[lost].Layer)); err != nil {
		t.Fatal(err)
	}
	got := second.rebuild(dir, "--cache-from", "type=local,src="+one, "--cache-to", "type=local,mode=max,dest="+two)
	want(t, "made", got.made)
	if !strings.Contains(got.warnings, `the step "RUN cat /g`) {
		t.Errorf("the lost layer is not told of: %q", got.warnings)
	}
	again, _ := cacheOf(t, two, "latest")
	if len(again.Layers) != len(m.Layers)-1 {
		t.Errorf("%d layers of %d came through", len(again.Layers), len(m.Layers))
	}
	want(t, "made", third.rebuild(dir, "--cache-from", "type=local,src="+two).made, "[other 3/3]")
	if a, b := first.files("app/random"), third.files("app/random"); !slices.Equal(a, b) {
		t.Errorf("the files are %q there, %q here", b, a)
	}
}

// TestLinkedLayerIsSharedBetweenBases: a layer of COPY --link is the same on every base image; the
// steps on top of it are not. A user name is looked up in the base image.
func TestLinkedLayerIsSharedBetweenBases(t *testing.T) {
	s := freshStore(t)
	s.Do("import", "--change", "LABEL x=y", otherBase(t), "otherbase")
	for flag, owners := range map[string][]string{"": {"0", "0", "0"}, "--chown=app": {"1000", "4321", "1000"}} {
		for i, base := range []string{"base", "otherbase", "base"} {
			dir := contextDir(t, map[string]string{"Dockerfile": "FROM " + base + "\nCOPY --link " + flag + " f /f\nRUN stat -c %u /f > /owner; cat /etc/which > /which || echo base > /which\n", "f": "f"}, "")
			s.rebuild(dir)
			want := []string{owners[i], map[string]string{"base": "base", "otherbase": "other"}[base]}
			if got := s.files("owner", "which"); !slices.Equal(got, want) {
				t.Errorf("on %s with %q: %q, want %q", base, flag, got, want)
			}
		}
	}
}

// otherBase returns a base image with a different user app.
func otherBase(t *testing.T) string {
	dir := t.TempDir()
	script := `mkdir "$1/root" && tar -C "$1/root" -xf "$2" && sed -i s/app:x:1000/app:x:4321/ "$1/root/etc/passwd" && echo other > "$1/root/etc/which" && tar --numeric-owner -C "$1/root" -cf "$1/other.tar" .`
	if out, err := exec.Command("sh", "-ec", script, "sh", dir, baseArchive(t)).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	return filepath.Join(dir, "other.tar")
}

// TestNoCacheMount: --no-cache with a RUN that mounts the context.
func TestNoCacheMount(t *testing.T) {
	s := freshStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --mount=type=bind,target=/c cat /c/f > /out\n", "f": "f"}, "")
	cache := filepath.Join(t.TempDir(), "cache")
	s.rebuild(dir)
	s.rebuild(dir, "--no-cache", "--cache-to", "type=local,mode=max,dest="+cache)
	if _, records := cacheOf(t, cache, "latest"); len(records) != 1 {
		t.Errorf("%d records: the context is not one", len(records))
	}
}
