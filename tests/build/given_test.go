package build

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"
)

const copiesAll = "FROM scratch\nCOPY . /x/\n"

// outputNames builds and returns the names of the files below /x in the result.
func (s *store) outputNames(args ...string) []string {
	s.T.Helper()
	out := filepath.Join(s.T.TempDir(), "out")
	s.build(append([]string{"-o", out}, args...)...)
	entries, err := os.ReadDir(filepath.Join(out, "x"))
	if err != nil {
		s.T.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestDockerfileLowerCase: if there is no Dockerfile, dockerfile is read, in a directory and in an
// archive. The .dockerignore file is the one for the name that was looked up first.
func TestDockerfileLowerCase(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{
		"dockerfile": copiesAll, "a": "", "b": "", "c": "", "dockerfile.dockerignore": "a\n", "Dockerfile.dockerignore": "b\n", ".dockerignore": "c\n",
	}, "")
	want := []string{".dockerignore", "Dockerfile.dockerignore", "a", "c", "dockerfile", "dockerfile.dockerignore"}
	if got := s.outputNames(dir); !slices.Equal(got, want) {
		t.Errorf("copied are %q, want %q", got, want)
	}
	archive := contextDir(t, map[string]string{"d/dockerfile": copiesAll}, "tar -C d -cf d.tar .")
	stdin, err := os.Open(filepath.Join(archive, "d.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	cmd := s.Command("build", "-o", filepath.Join(t.TempDir(), "out"), "-")
	cmd.Stdin = stdin
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, text)
	}
	both := contextDir(t, map[string]string{"dockerfile": "FROM scratch\nCOPY nothing /\n", "Dockerfile": copiesAll}, "")
	if got := s.outputNames(both); !slices.Contains(got, "dockerfile") {
		t.Errorf("with both: %q", got)
	}
}

// TestDockerfileFromDescriptor: -f <(command) in a shell names a file descriptor.
func TestDockerfileFromDescriptor(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"f": ""}, "")
	for _, name := range []string{"/dev/fd/3", "/proc/self/fd/3"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := s.Command("build", "--no-cache", "--file="+name, "-o", filepath.Join(t.TempDir(), "out"), dir)
		cmd.ExtraFiles = []*os.File{read}
		go func() {
			_, _ = write.WriteString("FROM base\nRUN ! test -e /proc/self/fd/3\nCOPY f /\n")
			_ = write.Close()
		}()
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, text)
		}
		_ = read.Close()
	}
}

// TestContextFromURL: a URL may be an archive with a Dockerfile, or a Dockerfile, which is then the only
// file of the context. -f may be a URL too.
func TestContextFromURL(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"served/df": copiesAll, "served/text": "hello\n", "c/Dockerfile": copiesAll, "c/f": "1", "from": "FROM scratch\nCOPY --from=t . /x/\n"}, "tar -C c -czf served/c.tgz .")
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(dir, "served"))))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{server.URL + "/c.tgz"}, "Dockerfile f"},
		{[]string{server.URL + "/df"}, "context"},
		{[]string{"-f", "anything", server.URL + "/df"}, "context"},
		{[]string{"-f", server.URL + "/df", filepath.Join(dir, "c")}, "Dockerfile f"},
		{[]string{"-f", server.URL + "/df", server.URL + "/c.tgz"}, "Dockerfile f"},
		{[]string{"--build-context", "t=" + server.URL + "/text", "-f", filepath.Join(dir, "from"), filepath.Join(dir, "c")}, "context"},
	} {
		if got := strings.Join(s.outputNames(c.args...), " "); got != c.want {
			t.Errorf("%q: copied are %q, want %q", c.args, got, c.want)
		}
	}
	s.Stdin = "FROM scratch\nCOPY f /x/\n"
	if got := s.outputNames("-f", "-", server.URL+"/c.tgz"); !slices.Equal(got, []string{"f"}) {
		t.Errorf("with a Dockerfile on standard input: copied are %q", got)
	}
	s.Stdin = ""
	s.Minirun("build", server.URL+"/text").Fails(t, "unknown instruction: hello")
	s.Minirun("build", server.URL+"/nothing").Fails(t, "404")
}

// TestOutputAddsToLayout: type=oci,tar=false adds to a directory that already has images, and
// replaces the image of the same name. Everything else in the directory stays, and symbolic links in
// it do not lead outside.
func TestOutputAddsToLayout(t *testing.T) {
	s := newStore(t)
	dir := contextDir(t, map[string]string{"Dockerfile": copiesAll, "f": "1"}, "")
	layout := filepath.Join(t.TempDir(), "layout")
	output := "type=oci,tar=false,dest=" + layout
	names := func() (out []string) {
		var index oci.Index
		read(t, filepath.Join(layout, "index.json"), &index)
		for _, m := range index.Manifests {
			out = append(out, m.Annotations["io.containerd.image.name"]+" "+m.Digest.Encoded()[:8])
		}
		return out
	}
	s.build("-t", "a", "-o", output, dir)
	a := names()
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(layout, "other"), "mine")
	write(filepath.Join(dir, "f"), "2")
	s.build("-t", "b", "-o", output, dir)
	ab := names()
	if len(ab) != 2 || ab[0] != a[0] || !strings.HasPrefix(ab[1], "docker.io/library/b:latest ") {
		t.Fatalf("the index has %q after %q", ab, a)
	}
	write(filepath.Join(dir, "f"), "3")
	s.build("-t", "a", "-o", output, dir)
	if got := names(); len(got) != 2 || got[0] != ab[1] || got[1] == a[0] || !strings.HasPrefix(got[1], "docker.io/library/a:latest ") {
		t.Errorf("the index has %q after %q", got, ab)
	}
	checkOnly(t, layout, "blobs", "index.json", "manifest.json", "oci-layout", "other")
	s.Do("load", "-i", layout)
	for _, name := range []string{"a", "b"} {
		s.Do("images", "-q", name)
	}
	outside := t.TempDir()
	hostile := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(hostile, "blobs")); err != nil {
		t.Fatal(err)
	}
	s.Minirun("build", "-o", "type=oci,tar=false,dest="+hostile, dir).Fails(t, "escapes")
	checkOnly(t, outside)
	checkOnly(t, hostile, "blobs")
	broken := t.TempDir()
	write(filepath.Join(broken, "index.json"), "{")
	s.Minirun("build", "-o", "type=oci,tar=false,dest="+broken, dir).Fails(t, "read the existing index.json")
	checkOnly(t, broken, "index.json")
}
