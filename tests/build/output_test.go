package build

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestSeveralOutputsOfOneBuild: one build with every kind of output; each has what was asked for,
// independently of the other outputs.
func TestSeveralOutputsOfOneBuild(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY f /f\nRUN echo made > /made\n", "f": "content\n"}, "")
	out := t.TempDir()
	at := func(name string) string { return filepath.Join(out, name) }
	s.build("-t", "all", "-t", "all:2", "-o", "type=oci,dest="+at("zstd.tar")+",compression=zstd,compression-level=19", "-o", "type=docker,dest="+at("docker.tar"),
		"-o", "type=oci,tar=false,compression=uncompressed,dest="+at("layout"), "-o", "type=tar,dest="+at("files.tar"), "-o", at("local"), "-o", "type=cacheonly",
		"-o", "type=image,name=all:3", "-o", `"type=image","name=all:4,all:5"`, dir)
	zstd, plain := openResult(t, at("zstd.tar")), openResult(t, at("layout"))
	for r, kind := range map[*result]string{zstd: oci.MediaTypeImageLayerZstd, plain: oci.MediaTypeImageLayer, openResult(t, at("docker.tar")): oci.MediaTypeImageLayerGzip} {
		m := r.manifest("")
		for i, l := range m.Layers[1:] {
			if l.MediaType != kind {
				t.Errorf("layer %d is %s, want %s", i, l.MediaType, kind)
			}
			if got := digestOf(r.plain(l)); got != r.config(m).RootFS.DiffIDs[i+1].String() {
				t.Errorf("%s: layer %d has the archive %s, its configuration says otherwise", kind, i, got)
			}
		}
		if m.Config.Digest != zstd.manifest("").Config.Digest {
			t.Errorf("%s: the image has another ID", kind)
		}
	}
	if got := plain.top.Annotations[oci.AnnotationRefName]; got != "docker.io/library/all:latest" {
		t.Errorf("the layout calls it %q", got)
	}
	for _, tag := range []string{"", ":2", ":3", ":4", ":5"} {
		if got := s.Do("run", "--rm", "all"+tag, "cat", "/made", "/f"); got != "made\ncontent" {
			t.Errorf("all%s: %q", tag, got)
		}
	}
	if text, err := os.ReadFile(at("local/made")); string(text) != "made\n" {
		t.Errorf("local: %q, %v", text, err)
	}
	if got, err := exec.Command("tar", "-xOf", at("files.tar"), "f").Output(); string(got) != "content\n" {
		t.Errorf("tar: %q, %v", got, err)
	}
	checkOnly(t, out, "docker.tar", "files.tar", "layout", "local", "zstd.tar")
	s.Check()
}

// checkOnly checks that a directory has these names, and no others.
func checkOnly(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s has %q, want %q", dir, got, want)
	}
}

// TestImpossibleOutputIsRejected: an impossible output is rejected with a clear message before anything
// is built, and nothing is written.
func TestImpossibleOutputIsRejected(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	out := t.TempDir()
	file := filepath.Join(out, "file")
	for _, c := range []struct{ args, words string }{
		{"-o type=oci,compression=estargz,dest=FILE", "estargz"},
		{"-o type=oci,compression=xz,dest=FILE", "must be gzip, zstd or uncompressed"},
		{"-o type=oci,compression-level=10,dest=FILE", "0 to 9"},
		{"-o type=oci,compression=zstd,compression-level=-1,dest=FILE", "must be a number"},
		{"-o type=oci,compression=uncompressed,compression-level=3,dest=FILE", "uncompressed layers have no level"},
		{"-o type=elsewhere,dest=FILE", `type "elsewhere": must be image, registry, oci`},
		{"-o type=oci,colour=red,dest=FILE", `unknown key "colour"`},
		{"-o type=oci,tar=maybe,dest=FILE", "true or false"},
		{"-o type=oci,source-date-epoch=today,dest=FILE", "seconds since 1970"},
		{"-o type=cacheonly,source-date-epoch=1", "is only for type=image|oci|docker|tar|local"},
		{"-o type=local", "dest=DIRECTORY"},
		{"-o type=oci,tar=false", "dest=DIRECTORY"},
		{"-o type=local,dest=FILE,compression=zstd", "compression is only for type=image|oci|docker"},
		{"-o type=local,dest=FILE,mode=delete", "keeps other files in the directory"},
		{"-o type=oci,oci-mediatypes=false,dest=FILE", "cannot be turned off"},
		{"-o type=tar,dest=FILE,annotation.a=b", "annotations are only for images"},
		{"-o type=docker,dest=FILE --platform linux/amd64,linux/arm64", "not linux/amd64, linux/arm64\nhint: use type=oci"},
		{"-o type=docker --platform linux/amd64,linux/arm64", "type=docker: it contains one platform"},
		{"--platform linux/amd64/x/y", "linux/amd64/x/y"},
		{"--push", "use -t NAME"},
		{"-t UPPER", "lower case"},
		{"-o type=image,name=x@sha256:0000000000000000000000000000000000000000000000000000000000000000", "not a digest"},
		{"-o - -o type=oci", "2 outputs are written to standard output"},
		{"-q -o -", "--quiet, which also writes to standard output"},
		{"-o type=oci,dest=FILE,annotation-index.a=b", "annotations of an index need several platforms"},
		{"-o type=oci,dest=FILE,annotation-layer.a=b", "must be one of manifest"},
		{"--annotation a=b -o type=local,dest=FILE", "--annotation needs an output of type image"},
		{"--annotation layer:a=b", "must be one of manifest"},
		{"--annotation nothing", "KEY=VALUE"},
		{"--provenance maybe", "must be true, false, or KEY=VALUE"},
		{"--provenance mode=some", "must be min or max"},
		{"--provenance mode=min,version=v0.3", "must be v1 or v0.2"},
		{"--iidfile FILE -o type=local,dest=FILE2", "no output is an image"},
		{"--quiet --progress plain", "--quiet cannot be combined"},
		{"--attest type=signature", "must be provenance or sbom"},
		{"--sbom generator=docker/scanner", "minirun lists the packages itself"},
	} {
		args := append([]string{"build", "--progress", "plain"}, strings.Fields(strings.ReplaceAll(c.args, "FILE", file))...)
		r := s.Minirun(append(args, dir)...)
		if r.Status == 0 || !strings.Contains(r.Stderr, c.words) {
			t.Errorf("%s: status %d: %s; want %q", c.args, r.Status, r.Stderr, c.words)
		}
		if strings.Contains(r.Stderr, "COPY") || r.Stdout != "" {
			t.Errorf("%s: something was built: %s%s", c.args, r.Stderr, r.Stdout)
		}
	}
	checkOnly(t, out)
}

// TestOutputCompression: compression levels, and the layers of the base image.
func TestOutputCompression(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY f /f\n", "f": strings.Repeat("the same words, again and again\n", 3000)}, "")
	of := func(options string) *result {
		file := filepath.Join(t.TempDir(), "out.tar")
		s.build("-o", "type=oci,dest="+file+options, dir)
		return openResult(t, file)
	}
	size := func(r *result) int64 { return r.manifest("").Layers[1].Size }
	none, fast, best := size(of(",compression-level=0")), size(of(",compression-level=1")), size(of(",compression-level=9"))
	if !(none > fast && fast > best && best > 0) {
		t.Errorf("levels 0, 1 and 9 come to %d, %d and %d bytes", none, fast, best)
	}
	kept, forced := of(",compression=zstd"), of(",compression=zstd,force-compression=true")
	if got := kept.manifest("").Layers[0]; got.MediaType != oci.MediaTypeImageLayer || got.Digest != of("").manifest("").Layers[0].Digest {
		t.Errorf("the base's layer has become %s", got.MediaType)
	}
	m := forced.manifest("")
	if got := m.Layers[0]; got.MediaType != oci.MediaTypeImageLayerZstd || digestOf(forced.plain(got)) != forced.config(m).RootFS.DiffIDs[0].String() {
		t.Errorf("with force-compression the base's layer is %s", got.MediaType)
	}
}

// TestOutputAnnotations: where each annotation ends up.
func TestOutputAnnotations(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	file := filepath.Join(t.TempDir(), "out.tar")
	s.build("--platform", "linux/amd64,linux/arm64", "-t", "x", "--annotation", "all=1", "--annotation", "manifest[linux/arm64]:arm=2", "--annotation", "index,manifest:both=a=b",
		"-o", "type=oci,dest="+file+",annotation-index-descriptor.top=3,annotation-manifest-descriptor[linux/amd64].entry=4,annotation.own=5", dir)
	r := openResult(t, file)
	for _, c := range []struct {
		what      string
		got, want map[string]string
	}{
		{"amd64", r.manifest("linux/amd64").Annotations, map[string]string{"all": "1", "both": "a=b", "own": "5"}},
		{"arm64", r.manifest("linux/arm64").Annotations, map[string]string{"all": "1", "arm": "2", "both": "a=b", "own": "5"}},
		{"the entry of amd64", r.descriptor("linux/amd64").Annotations, map[string]string{"entry": "4"}},
		{"the entry of arm64", r.descriptor("linux/arm64").Annotations, nil},
		{"the index", r.index.Annotations, map[string]string{"both": "a=b"}},
		{"index.json", r.top.Annotations, map[string]string{"top": "3", "io.containerd.image.name": "docker.io/library/x:latest", oci.AnnotationRefName: "docker.io/library/x:latest"}},
	} {
		if fmt.Sprint(c.got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

// TestOutputOfQuietIidfileAndMetadataFile: -q, --iidfile and --metadata-file, for a manifest and for an
// index.
func TestOutputOfQuietIidfileAndMetadataFile(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	out := t.TempDir()
	id, file := filepath.Join(out, "id"), filepath.Join(out, "metadata")
	ask := func(args ...string) (printed string, told map[string]any) {
		printed = s.Do(append([]string{"build", "-q", "-t", "told", "-t", "told:2", "--iidfile", id, "--metadata-file", file}, append(args, dir)...)...)
		told = map[string]any{}
		read(t, file, &told)
		return printed, told
	}
	var r struct{ ID, Digest string }
	image := func() {
		var list []struct{ Name, ID, Digest string }
		if err := json.Unmarshal([]byte(s.Do("images", "--format", "json", "told:2")), &list); err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		r.ID, r.Digest = list[0].ID, list[0].Digest
	}
	printed, told := ask()
	image()
	written, err := os.ReadFile(id)
	if printed != r.ID || string(written) != r.ID || err != nil {
		t.Errorf("printed %s, wrote %s, the ID is %s", printed, written, r.ID)
	}
	d, _ := told["containerimage.descriptor"].(map[string]any)
	if told["containerimage.digest"] != r.Digest || told["containerimage.config.digest"] != r.ID || told["image.name"] != "docker.io/library/told:latest,docker.io/library/told:2" ||
		d["digest"] != r.Digest || d["mediaType"] != oci.MediaTypeImageManifest {
		t.Errorf("metadata: %v; the image is %+v", told, r)
	}
	printed, told = ask("--platform", "linux/amd64", "--platform", "linux/arm64", "--provenance", "true")
	image()
	if printed != r.Digest || told["containerimage.digest"] != r.Digest || told["containerimage.config.digest"] != nil || told["buildx.build.provenance/linux/arm64"] == nil {
		t.Errorf("of an index: printed %s, told %v; it is %+v", printed, told, r)
	}
	s.Do("build", "-q", "-o", "type=cacheonly", "--metadata-file", file, dir)
	told = map[string]any{}
	if read(t, file, &told); len(told) != 2 || told["buildx.build.provenance"] == nil || told["buildx.build.ref"] == nil {
		t.Errorf("without an image: %v", told)
	}
	ref, _ := told["buildx.build.ref"].(string)
	if got := s.Do("build", "history", "inspect", strings.TrimPrefix(ref, "default/default/")); !strings.Contains(got, "Build Steps:") {
		t.Errorf("build history inspect %s: %s", ref, got)
	}
}
