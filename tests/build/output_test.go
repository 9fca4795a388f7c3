package build

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/tests/testbundle"
)

// A result is an OCI image layout written by a build.
type result struct {
	t     testing.TB
	dir   string
	top   oci.Descriptor // in index.json
	index oci.Index      // the index that top refers to, if it is an index
}

// openResult reads an archive or a directory.
func openResult(t testing.TB, path string) *result {
	t.Helper()
	r := &result{t: t, dir: path}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		r.dir = t.TempDir()
		untar(t, path, r.dir)
	}
	var index oci.Index
	read(t, filepath.Join(r.dir, "index.json"), &index)
	if len(index.Manifests) == 0 {
		t.Fatalf("%s: index.json names nothing", path)
	}
	r.top = index.Manifests[0]
	if r.top.MediaType == oci.MediaTypeImageIndex {
		r.read(r.top, &r.index)
	}
	return r
}

func (r *result) read(d oci.Descriptor, into any) {
	r.t.Helper()
	read(r.t, blob(r.dir, d), into)
}

// manifest returns the manifest of a platform; "" selects the only one.
func (r *result) manifest(platform string) (m oci.Manifest) {
	r.t.Helper()
	d := r.top
	if r.index.Manifests != nil {
		d = r.descriptor(platform)
	}
	r.read(d, &m)
	return m
}

func (r *result) descriptor(platform string) oci.Descriptor {
	r.t.Helper()
	for _, d := range r.index.Manifests {
		if p := d.Platform; p != nil && p.OS+"/"+p.Architecture == platform {
			return d
		}
	}
	r.t.Fatalf("there is no %s in %+v", platform, r.index.Manifests)
	return oci.Descriptor{}
}

func (r *result) config(m oci.Manifest) (c docker.DockerOCIImage) {
	r.t.Helper()
	r.read(m.Config, &c)
	return c
}

// plain returns the uncompressed archive of a layer.
func (r *result) plain(d oci.Descriptor) []byte {
	r.t.Helper()
	f, err := os.Open(blob(r.dir, d))
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	reader, err := layer.NewReader(context.Background(), f)
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// build runs a build, and returns its standard error.
func (s *store) build(args ...string) string {
	s.t.Helper()
	r := s.Minirun(append([]string{"build", "--progress", "plain"}, args...)...)
	if r.Status != 0 {
		s.t.Fatalf("minirun build %s: status %d: %s%s", strings.Join(args, " "), r.Status, r.Stdout, r.Stderr)
	}
	return r.Stderr
}

// TestOutputsAtOnce: one build with every kind of output; each has what was asked for, independently
// of the other outputs.
func TestOutputsAtOnce(t *testing.T) {
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
		if got := s.do("run", "--rm", "all"+tag, "cat", "/made", "/f"); got != "made\ncontent" {
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
	s.do("store", "check")
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

// TestOutputRefused: an impossible output is rejected with a clear message before anything is built,
// and nothing is written.
func TestOutputRefused(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	out := t.TempDir()
	file := filepath.Join(out, "file")
	for _, c := range []struct{ args, words string }{
		{"-o type=oci,compression=estargz,dest=FILE", "estargz"},
		{"-o type=oci,compression=xz,dest=FILE", "must be gzip, zstd or uncompressed"},
		{"-o type=oci,compression-level=10,dest=FILE", "0 to 9"},
		{"-o type=oci,compression=zstd,compression-level=-1,dest=FILE", "must be a number"},
		{"-o type=oci,compression=uncompressed,compression-level=3,dest=FILE", "uncompressed has none"},
		{"-o type=elsewhere,dest=FILE", `type "elsewhere": must be image, registry, oci`},
		{"-o type=oci,colour=red,dest=FILE", "colour: is unknown"},
		{"-o type=oci,tar=maybe,dest=FILE", "true or false"},
		{"-o type=oci,source-date-epoch=today,dest=FILE", "seconds since 1970"},
		{"-o type=cacheonly,source-date-epoch=1", "is for type=image|oci|docker|tar|local"},
		{"-o type=local", "dest=DIRECTORY"},
		{"-o type=oci,tar=false", "dest=DIRECTORY"},
		{"-o type=local,dest=FILE,compression=zstd", "compression: is for type=image|oci|docker"},
		{"-o type=local,dest=FILE,mode=delete", "what else is in the directory stays"},
		{"-o type=oci,oci-mediatypes=false,dest=FILE", "always"},
		{"-o type=tar,dest=FILE,annotation.a=b", "annotations are for images"},
		{"-o type=docker,dest=FILE --platform linux/amd64,linux/arm64", "not for linux/amd64, linux/arm64: use type=oci"},
		{"-o type=docker --platform linux/amd64,linux/arm64", "type=docker: has an image for one platform"},
		{"--platform linux/amd64/x/y", "linux/amd64/x/y"},
		{"--push", "give -t NAME"},
		{"-t UPPER", "lower case"},
		{"-o type=image,name=x@sha256:0000000000000000000000000000000000000000000000000000000000000000", "a digest is what an image comes to"},
		{"-o - -o type=oci", "2 outputs go to standard output"},
		{"-q -o -", "--quiet, which also writes to standard output"},
		{"-o type=oci,dest=FILE,annotation-index.a=b", "there is none with one platform"},
		{"-o type=oci,dest=FILE,annotation-layer.a=b", "must be of manifest"},
		{"--annotation a=b -o type=local,dest=FILE", "annotations are for images"},
		{"--annotation layer:a=b", "must be of manifest"},
		{"--annotation nothing", "KEY=VALUE"},
		{"--provenance maybe", "must be true, false, or KEY=VALUE"},
		{"--provenance mode=some", "must be min or max"},
		{"--provenance mode=min,version=v0.3", "must be v1 or v0.2"},
		{"--iidfile FILE -o type=local,dest=FILE2", "no output is an image"},
		{"--quiet --progress plain", "--quiet cannot be combined"},
		{"--attest type=signature", "must be provenance or sbom"},
		{"--sbom generator=docker/scanner", "runs no image for it"},
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

// treeOf describes a directory of the host: types, modes, owners, links, contents.
func treeOf(t testing.TB, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		line := fmt.Sprintf("%s %o %d:%d", strings.TrimPrefix(path, dir+"/"), st.Mode, st.Uid, st.Gid)
		switch {
		case d.Type().IsRegular():
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q %d names", text, st.Nlink)
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// attributed returns an archive with a file that has an extended attribute.
func attributed(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "attributed.tar")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	h := &tar.Header{Name: "attr", Mode: 0o644, Size: 1, ModTime: old, Format: tar.FormatPAX, PAXRecords: map[string]string{"SCHILY.xattr.user.test": "value"}}
	if err = w.WriteHeader(h); err == nil {
		_, err = io.WriteString(w, "a")
	}
	if err = errors.Join(err, w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestOutputLocal: files of the result are added to the existing files of the destination, and never
// written through its symbolic links; they belong to the user who builds, and keep all other
// attributes.
func TestOutputLocal(t *testing.T) {
	s := newStore(t)
	result := contextDir(t, map[string]string{
		"Dockerfile": "FROM attributed\nCOPY --chown=1000:1000 tree /\n", "tree/dir/file": "new", "tree/deep/er/file": "new", "tree/file": "new", "tree/other": "new", "tree/there/new": "new",
	}, `cd tree; ln file twin; chmod 4755 other; ln -s /etc/passwd link; mkfifo fifo; mkdir -m 1777 sticky; mkdir was-file`)
	s.do("import", attributed(t), "attributed")
	dest := contextDir(t, map[string]string{"own": "own", "there/own": "own", "was-file": "old", "victim/file": "victim"},
		`mkdir to; mv own there was-file to; ln -s ../victim to/dir; mkdir to/deep; ln -s ../../victim to/deep/er; ln -s ../victim/file to/file; chmod 700 to/there`)
	to, victim := filepath.Join(dest, "to"), filepath.Join(dest, "victim")
	before := treeOf(t, victim)
	s.build("-o", to, result)
	want := []string{
		`attr 100644 0:0 "a" 1 names`, "deep 40755 0:0", "deep/er 40755 0:0", `deep/er/file 100644 0:0 "new" 1 names`, "dir 40755 0:0", `dir/file 100644 0:0 "new" 1 names`, "fifo 10644 0:0",
		`file 100644 0:0 "new" 2 names`, "link 120777 0:0 -> /etc/passwd", `other 104755 0:0 "new" 1 names`, `own 100644 0:0 "own" 1 names`, "sticky 41777 0:0",
		"there 40700 0:0", `there/new 100644 0:0 "new" 1 names`, `there/own 100644 0:0 "own" 1 names`, `twin 100644 0:0 "new" 2 names`, "was-file 40755 0:0",
	}
	if got := treeOf(t, to); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := treeOf(t, victim); !slices.Equal(got, before) {
		t.Errorf("behind the links of the destination is now\n%s", strings.Join(got, "\n"))
	}
	value := make([]byte, 16)
	if n, err := unix.Lgetxattr(filepath.Join(to, "attr"), "user.test", value); err != nil || string(value[:n]) != "value" {
		t.Errorf("extended attribute: %q, %v", value[:max(n, 0)], err)
	}
	again := treeOf(t, to)
	s.build("-o", "type=local,dest="+to, result)
	if got := treeOf(t, to); !slices.Equal(got, again) {
		t.Errorf("the second time\n%s", strings.Join(got, "\n"))
	}
}

// TestOutputLocalKeepsDirectories: a file of the result does not replace a directory, and in that
// case nothing else is written either.
func TestOutputLocalKeepsDirectories(t *testing.T) {
	s := newStore(t)
	result := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a z /\n", "a": "new", "z": "new"}, "")
	to := contextDir(t, map[string]string{"z/precious": "old"}, "")
	before := treeOf(t, to)
	r := s.Minirun("build", "-o", to, result)
	if r.Status == 0 || !strings.Contains(r.Stderr, "z: is a file in the result, and a directory there") {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
	if got := treeOf(t, to); !slices.Equal(got, before) {
		t.Errorf("the destination is now %q", got)
	}
}

// TestOutputHalfWritten: if the disk is full, no partial output is left, and what was there before is
// unchanged.
func TestOutputHalfWritten(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a b /\n", "a": "small"}, "head -c 2000000 /dev/urandom > b")
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no tmpfs can be mounted: ", err)
	}
	defer func() { _ = unix.Unmount(small, unix.MNT_DETACH) }()
	old := filepath.Join(small, "old")
	if err := os.WriteFile(old, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(small, "there"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{
		"type=tar,dest=" + old, "type=oci,dest=" + old, "type=docker,dest=" + small + "/new", "type=oci,tar=false,dest=" + small + "/layout", "type=oci,tar=false,dest=" + small + "/there",
		"type=local,dest=" + small, "type=local,dest=" + small + "/a/b/c",
	} {
		r := s.Minirun("build", "-o", output, dir)
		if r.Status == 0 || !strings.Contains(r.Stderr, "no space left on device") {
			t.Errorf("%s: status %d: %s", output, r.Status, r.Stderr)
		}
		checkOnly(t, small, "old", "there")
		checkOnly(t, filepath.Join(small, "there"))
		if text, err := os.ReadFile(old); string(text) != "old" {
			t.Errorf("%s: what was there is now %q, %v", output, text, err)
		}
	}
	failing := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN false\n"}, "")
	if r := s.Minirun("build", "-o", "type=tar,dest="+old, "--iidfile", small+"/id", "--metadata-file", small+"/metadata", failing); r.Status == 0 {
		t.Error("RUN false has built")
	}
	checkOnly(t, small, "old", "there")
}

// TestOutputStandard: archives are written to standard output.
func TestOutputStandard(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	for _, output := range []string{"-", "type=tar", "type=oci", "type=docker,dest=-"} {
		r := s.Minirun("build", "-o", output, dir)
		r.Exit(t, 0)
		file := filepath.Join(t.TempDir(), "out.tar")
		if err := os.WriteFile(file, []byte(r.Stdout), 0o644); err != nil {
			t.Fatal(err)
		}
		list, err := exec.Command("tar", "-tf", file).Output()
		if want := map[bool]string{true: "oci-layout\n", false: "f\n"}[strings.Contains(output, "oci") || strings.Contains(output, "docker")]; err != nil || !strings.Contains(string(list), want) {
			t.Errorf("%s: %q, %v", output, list, err)
		}
	}
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

// TestOutputTold: -q, --iidfile and --metadata-file, for a manifest and for an index.
func TestOutputTold(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	out := t.TempDir()
	id, file := filepath.Join(out, "id"), filepath.Join(out, "metadata")
	ask := func(args ...string) (printed string, told map[string]any) {
		printed = s.do(append([]string{"build", "-q", "-t", "told", "-t", "told:2", "--iidfile", id, "--metadata-file", file}, append(args, dir)...)...)
		told = map[string]any{}
		read(t, file, &told)
		return printed, told
	}
	var r struct{ ID, Digest string }
	image := func() {
		var list []struct{ Name, ID, Digest string }
		if err := json.Unmarshal([]byte(s.do("images", "--format", "json", "told:2")), &list); err != nil || len(list) != 1 {
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
	s.do("build", "-q", "-o", "type=cacheonly", "--metadata-file", file, dir)
	told = map[string]any{}
	if read(t, file, &told); len(told) != 2 || told["buildx.build.provenance"] == nil || told["buildx.build.ref"] == nil {
		t.Errorf("without an image: %v", told)
	}
	ref, _ := told["buildx.build.ref"].(string)
	if got := s.do("build", "history", "inspect", strings.TrimPrefix(ref, "default/default/")); !strings.Contains(got, "Build Steps:") {
		t.Errorf("build history inspect %s: %s", ref, got)
	}
}

// TestOutputMetadata: the provenance and the lint findings in --metadata-file, as the environment
// variables select them.
func TestOutputMetadata(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nARG A\nRUN echo $A > /a\nCOPY f /f\nMAINTAINER x\n", "f": "content\n"}, "")
	file := filepath.Join(t.TempDir(), "metadata")
	type metadata struct {
		Ref        string                   `json:"buildx.build.ref"`
		Descriptor oci.Descriptor           `json:"containerimage.descriptor"`
		Warnings   []struct{ Short []byte } `json:"buildx.build.warnings"`
		Provenance *struct {
			BuildType  string
			Invocation struct {
				Parameters struct {
					Frontend string
					Args     map[string]string
				}
			}
			Materials   []struct{ URI string }
			BuildConfig *struct {
				LLBDefinition []struct {
					ID     string
					Inputs []string
					Op     struct{ Op map[string]any }
				}
			}
			Metadata *struct{ Completeness struct{ Parameters bool } }
		} `json:"buildx.build.provenance"`
	}
	ask := func(provenance, warnings string) (m metadata) {
		t.Helper()
		t.Setenv("BUILDX_METADATA_PROVENANCE", provenance)
		t.Setenv("BUILDX_METADATA_WARNINGS", warnings)
		s.build("--build-arg", "A=1", "-t", "x", "--metadata-file", file, dir)
		read(t, file, &m)
		return m
	}
	m := ask("", "")
	p := m.Provenance
	if !strings.HasPrefix(m.Ref, "default/default/") || p == nil || m.Warnings != nil || m.Descriptor.Platform == nil || m.Descriptor.Annotations[oci.AnnotationCreated] == "" {
		t.Fatalf("by default: %+v", m)
	}
	if p.Invocation.Parameters.Frontend != "dockerfile.v0" || len(p.Invocation.Parameters.Args) > 0 || p.BuildConfig != nil || p.Metadata != nil || len(p.Materials) != 1 {
		t.Errorf("min: %+v", p)
	}
	m = ask("max", "1")
	if p = m.Provenance; p == nil || p.BuildConfig == nil || p.Metadata == nil || !p.Metadata.Completeness.Parameters || p.Invocation.Parameters.Args["build-arg:A"] != "1" {
		t.Fatalf("max: %+v", p)
	}
	var ops []string
	for i, d := range p.BuildConfig.LLBDefinition {
		for kind := range d.Op.Op {
			ops = append(ops, fmt.Sprintf("%s %s %q", d.ID, kind, d.Inputs))
		}
		if d.ID != fmt.Sprintf("step%d", i) {
			t.Errorf("step %d is %s", i, d.ID)
		}
	}
	if want := []string{`step0 source []`, `step1 exec ["step0:0"]`, `step2 source []`, `step3 file ["step1:0" "step2:0"]`}; !slices.Equal(ops, want) {
		t.Errorf("the build definition: %q, want %q", ops, want)
	}
	if len(m.Warnings) != 1 || !strings.HasPrefix(string(m.Warnings[0].Short), "MaintainerDeprecated: ") {
		t.Errorf("warnings: %+v", m.Warnings)
	}
	if m = ask("disabled", "0"); m.Provenance != nil || m.Warnings != nil {
		t.Errorf("disabled: %+v", m)
	}
	t.Setenv("BUILDX_METADATA_PROVENANCE", "some")
	s.Minirun("build", "--metadata-file", file, dir).Fails(t, "BUILDX_METADATA_PROVENANCE=some", "min, max or disabled")
}

// TestOutputProvenance: provenance in SLSA 0.2 and SLSA 1 format; with inline-only, only images in
// the store have it.
func TestOutputProvenance(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base\nRUN --network=none echo x > /x\n"}, "")
	for version, field := range map[string]string{"v0.2": "invocation", "v1": "buildDefinition"} {
		out := t.TempDir()
		s.build("--provenance", "mode=max,version="+version, "-o", out, dir)
		var statement struct {
			PredicateType string
			Predicate     map[string]any
		}
		read(t, filepath.Join(out, "provenance.json"), &statement)
		if statement.PredicateType != "https://slsa.dev/provenance/"+version || statement.Predicate[field] == nil {
			t.Errorf("%s: %+v", version, statement)
		}
		if text := fmt.Sprint(statement.Predicate); !strings.Contains(text, "llbDefinition:[map[id:step0 op:map[Op:map[source:map[identifier:docker-image://base@sha256:") ||
			!strings.Contains(text, "locations:map[step0:map[locations:[map[ranges:[map[end:map[line:1]") || !strings.Contains(text, "network:2") {
			t.Errorf("%s: no build definition: %s", version, text)
		}
	}
	out, file := t.TempDir(), filepath.Join(t.TempDir(), "image.tar")
	s.build("--provenance", "inline-only=true", "-t", "inline", "-o", out, "-o", "type=oci,dest="+file, "-o", "type=image", dir)
	if _, err := os.Stat(filepath.Join(out, "provenance.json")); err == nil {
		t.Error("with inline-only the files have a provenance")
	}
	if r := openResult(t, file); r.top.MediaType != oci.MediaTypeImageManifest {
		t.Errorf("with inline-only the archive is of %s", r.top.MediaType)
	}
	sent := filepath.Join(t.TempDir(), "sent.tar")
	s.do("save", "-q", "-o", sent, "inline")
	if r := openResult(t, sent); len(r.index.Manifests) != 2 {
		t.Errorf("with inline-only the image of the store has %d manifests", len(r.index.Manifests))
	}
}

// TestOutputPush: an index of two platforms with attestations is pushed to a registry and pulled back
// unchanged.
func TestOutputPush(t *testing.T) {
	host := testbundle.Registry(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /f\n", "amd64": "for amd64\n", "arm64": "for arm64\n"}, "")
	name := host + "/app:1"
	s.build("--platform", "linux/amd64,linux/arm64", "--provenance", "true", "--sbom", "true", "-t", name, "--push", "-o", "type=local,dest="+filepath.Join(t.TempDir(), "too"), dir)
	sent := filepath.Join(t.TempDir(), "sent.tar")
	s.do("save", "-q", "-o", sent, name)
	want := openResult(t, sent)
	other := newStore(t)
	other.do("pull", "-q", "--all-platforms", name)
	came := filepath.Join(t.TempDir(), "came.tar")
	other.do("save", "-q", "-o", came, name)
	got := openResult(t, came)
	if got.top.Digest != want.top.Digest || len(got.index.Manifests) != 4 {
		t.Fatalf("came %s with %d, sent %s", got.top.Digest, len(got.index.Manifests), want.top.Digest)
	}
	for _, d := range got.index.Manifests {
		var m oci.Manifest
		got.read(d, &m)
		for _, l := range append(m.Layers, m.Config) {
			if text, err := os.ReadFile(blob(got.dir, l)); err != nil || digestOf(text) != l.Digest.String() {
				t.Errorf("%s of %s: %v", l.Digest, d.Digest, err)
			}
		}
	}
	other.do("store", "check")
	other.do("rmi", name)
	if left, err := os.ReadDir(filepath.Join(other.dir, "blobs", "sha256")); err != nil || len(left) == 0 {
		t.Error("the base images have gone, too", err)
	}
	other.do("store", "check")
	if text := string(got.plain(got.manifest("linux/arm64").Layers[0])); !strings.Contains(text, "for arm64") {
		t.Error("the image for arm64 has other files")
	}
	again := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}, "")
	s.build("-o", "type=registry,name="+host+"/app:2", again)
	newStore(t).do("pull", "-q", host+"/app:2")
}

// TestOutputAttested: which attestations are attached to an image, and that the image itself does not
// change.
func TestOutputAttested(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{
		"Dockerfile": "ARG FROM=base\nFROM $FROM\nARG OPEN\nCOPY status /real/status\nRUN --mount=type=secret,id=key --network=none mkdir -p /var/lib/dpkg && ln -s /real/status /var/lib/dpkg/status && echo $OPEN\n",
		"status":     "Package: bash\nStatus: install ok installed\nVersion: 5.2-1\nArchitecture: amd64\n",
		"key":        "very secret\n",
	}, "")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	of := func(args ...string) *result {
		file := filepath.Join(t.TempDir(), "out.tar")
		args = append(args, "--secret", "id=key,src="+filepath.Join(dir, "key"), "--build-arg", "OPEN=to everybody", "-o", "type=oci,rewrite-timestamp=true,dest="+file, dir)
		s.build(args...)
		return openResult(t, file)
	}
	bare, attested := of(), of("--attest", "type=provenance,mode=max", "--sbom", "true")
	entry := attested.descriptor("linux/amd64")
	if entry.Digest != bare.top.Digest {
		t.Errorf("with attestations the image is %s, without %s", entry.Digest, bare.top.Digest)
	}
	extra := attested.descriptor("unknown/unknown")
	if extra.Annotations["vnd.docker.reference.type"] != "attestation-manifest" || extra.Annotations["vnd.docker.reference.digest"] != entry.Digest.String() {
		t.Errorf("the entry of the attestations says %v", extra.Annotations)
	}
	var m oci.Manifest
	attested.read(extra, &m)
	if m.Subject == nil || m.Subject.Digest != entry.Digest || m.Config.MediaType != oci.MediaTypeEmptyJSON || len(m.Layers) != 2 {
		t.Fatalf("the manifest of the attestations is %+v", m)
	}
	statements := map[string][]byte{}
	for _, l := range m.Layers {
		text, err := os.ReadFile(blob(attested.dir, l))
		if err != nil || l.MediaType != "application/vnd.in-toto+json" || !bytes.Contains(text, []byte(entry.Digest.Encoded())) {
			t.Errorf("%s: %v", l.MediaType, err)
		}
		statements[l.Annotations["in-toto.io/predicate-type"]] = text
	}
	provenance := string(statements["https://slsa.dev/provenance/v1"])
	for _, words := range []string{`"build-arg:OPEN": "to everybody"`, `"id": "key"`, "pkg:docker/base@latest", `"minirun_hermetic": true`, `"targetPlatform": "linux/amd64"`} {
		if !strings.Contains(provenance, words) {
			t.Errorf("the provenance has no %s:\n%s", words, provenance)
		}
	}
	if sbom := string(statements["https://spdx.dev/Document"]); !strings.Contains(sbom, "pkg:deb/bash@5.2-1?arch=amd64") {
		t.Errorf("the SBOM has no bash: %s", sbom)
	}
	less, err := exec.Command("grep", "-rlE", "to everybody|very secret", of("--provenance", "mode=min").dir+"/blobs").CombinedOutput()
	// The RUN instruction itself is in the configuration.
	if fewer := strings.Fields(string(less)); err == nil && len(fewer) > 1 {
		t.Errorf("mode=min has said too much: %s", less)
	}
	if out, err := exec.Command("grep", "-rl", "very secret", attested.dir).CombinedOutput(); err == nil {
		t.Errorf("the secret is in %s", out)
	}
}

// TestOutputMaterials: everything that was fetched is listed, with digests and without passwords, and
// also if it came from the cache.
func TestOutputMaterials(t *testing.T) {
	s := newStore(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fetched\n") }))
	defer server.Close()
	at := strings.Replace(server.URL, "http://", "http://user:password@", 1) + "/f"
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM base AS a\nFROM scratch\nADD " + at + " /f\nCOPY --from=configured /bin/busybox /\n"}, "")
	for range 2 {
		out := t.TempDir()
		s.build("--provenance", "true", "-o", out, dir)
		text, err := os.ReadFile(filepath.Join(out, "provenance.json"))
		if err != nil {
			t.Fatal(err)
		}
		var statement struct {
			Predicate struct {
				BuildDefinition struct{ ResolvedDependencies []struct{ URI string } }
			}
		}
		if err := json.Unmarshal(text, &statement); err != nil {
			t.Fatal(err)
		}
		var uris []string
		for _, m := range statement.Predicate.BuildDefinition.ResolvedDependencies {
			uris = append(uris, m.URI)
		}
		if want := []string{server.URL + "/f", "pkg:docker/configured@latest?platform=linux%2F" + runtime.GOARCH}; !slices.Equal(uris, want) {
			t.Errorf("materials: %q, want %q", uris, want)
		}
		if strings.Contains(string(text), "password") || !strings.Contains(string(text), strings.TrimPrefix(digestOf([]byte("fetched\n")), "sha256:")) {
			t.Errorf("the provenance is %s", text)
		}
	}
}

// TestOutputAttestedFiles: attestations of an output that is not an image are written next to its
// files.
func TestOutputAttestedFiles(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "content\n"}, "")
	out := t.TempDir()
	s.build("--platform", "linux/arm64,linux/amd64", "--provenance", "true", "-o", out, dir)
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		checkOnly(t, filepath.Join(out, platform), "f", "provenance.json")
		text, err := os.ReadFile(filepath.Join(out, platform, "provenance.json"))
		if err != nil || !strings.Contains(string(text), strings.TrimPrefix(digestOf([]byte("content\n")), "sha256:")) {
			t.Errorf("%s: %v: %s", platform, err, text)
		}
	}
	one := t.TempDir() // for all platforms
	s.build("--platform", "linux/arm64,linux/amd64", "--provenance", "true", "--sbom", "true", "-o", "type=local,platform-split=false,dest="+one, dir)
	checkOnly(t, one, "f", "provenance.linux_amd64.json", "provenance.linux_arm64.json", "sbom.linux_amd64.spdx.json", "sbom.linux_arm64.spdx.json")
}

func digestOf(text []byte) string { return digest.FromBytes(text).String() }
