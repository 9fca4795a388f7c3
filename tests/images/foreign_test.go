package images

import (
	"archive/tar"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

const foreignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"

// A shelf serves blobs by path, and records the requests.
type shelf struct {
	*httptest.Server
	mutex sync.Mutex
	blobs map[string]string
	asked []string
	auth  bool // a request had credentials
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{blobs: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.asked = append(s.asked, r.URL.Path)
		s.auth = s.auth || r.Header.Get("Authorization") != ""
		blob, ok := s.blobs[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", when, strings.NewReader(blob))
	}))
	t.Cleanup(s.Close)
	return s
}

// TestForeignLayersAreFetchedFromTheirURLs: a layer that is not in the archive or the registry is
// fetched from the URLs in its descriptor, if its media type permits it, without credentials, and its
// digest is verified.
func TestForeignLayersAreFetchedFromTheirURLs(t *testing.T) {
	testbundle.Parallel(t)
	server := newShelf(t)
	foreign := func(mediaType string, urls ...string) string {
		i := newSaved(t)
		i.all(t, "gzip")
		server.blobs["/layer"] = i.blobs[1]
		server.blobs["/other"] = i.blobs[0]
		i.types = []string{oci.MediaTypeImageLayerGzip, mediaType}
		i.describe = func(n int, d object) {
			if n == 1 {
				d["urls"] = urls
			}
		}
		return without(t, i.oci(t), "blobs/sha256/"+digest.FromString(i.blobs[1]).Encoded())
	}
	for name, c := range map[string]struct {
		mediaType string
		urls      []string
		fails     string
		asked     []string
	}{
		"OCI":              {foreignLayer, []string{server.URL + "/layer"}, "", []string{"/layer"}},
		"Docker":           {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", []string{server.URL + "/layer"}, "", []string{"/layer"}},
		"the second URL":   {foreignLayer, []string{server.URL + "/none", server.URL + "/layer"}, "", []string{"/none", "/layer"}},
		"no URL":           {foreignLayer, nil, "find in the archive", nil},
		"nothing there":    {foreignLayer, []string{server.URL + "/none"}, "404", []string{"/none"}},
		"other content":    {foreignLayer, []string{server.URL + "/other"}, "does not match its digest", []string{"/other"}},
		"an ordinary type": {oci.MediaTypeImageLayerGzip, []string{server.URL + "/layer"}, "find in the archive", nil},
		"a file":           {foreignLayer, []string{"file:///etc/passwd"}, "neither https nor http", nil},
		"metadata":         {foreignLayer, []string{"https://169.254.169.254/latest"}, "refused", nil},
		"no TLS":           {foreignLayer, []string{"http://192.0.2.1/layer"}, "refused to send a request without TLS", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			server.asked = nil
			path := filepath.Join(s.Host, "archive.tar")
			write(t, path, foreign(c.mediaType, c.urls...))
			r := s.Minirun("load", "-q", path)
			if (r.Status == 0) != (c.fails == "") || !strings.Contains(r.Stderr, c.fails) {
				t.Errorf("status %d: %s", r.Status, r.Stderr)
			}
			if !slices.Equal(server.asked, c.asked) || server.auth {
				t.Errorf("the server was asked for %q; credentials: %t", server.asked, server.auth)
			}
			s.Check()
		})
	}
}

// TestForeignLayersOfRegistry: the same for pull.
func TestForeignLayersOfRegistry(t *testing.T) {
	testbundle.Parallel(t)
	server := newShelf(t)
	l := newLayout(t)
	d := l.image(runs("true"), layer{entries: []tar.Header{file("a", "a")}}, layer{entries: []tar.Header{file("b", "b")}})
	var m oci.Manifest
	readBlob(t, l, d, &m)
	path := filepath.Join(l.dir, "blobs/sha256", m.Layers[1].Digest.Encoded())
	blob, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	server.blobs["/layer"] = string(blob)
	m.Layers[1].MediaType, m.Layers[1].URLs = foreignLayer, []string{server.URL + "/layer"}
	l.name("foreign", l.document(oci.MediaTypeImageManifest, m))
	r := newRegistry(t, l)
	r.password = "secret"
	s := newStore(t)
	config := filepath.Join(s.Host, "docker")
	write(t, filepath.Join(config, "config.json"), `{"auths":{"`+r.host()+`":{"auth":"dXNlcjpzZWNyZXQ="}}}`)
	s.Env = []string{"DOCKER_CONFIG=" + config}
	s.Do("pull", "-q", r.host()+"/x:foreign")
	if !slices.Equal(server.asked, []string{"/layer"}) || server.auth {
		t.Errorf("the server was asked for %q; credentials: %t", server.asked, server.auth)
	}
	s.Check()
}

// TestOtherPlatform: an image for another platform is loaded and run with a warning, unless the user
// selected it; an image for another operating system does not run.
func TestOtherPlatform(t *testing.T) {
	other := map[string]string{"amd64": "arm64"}[runtime.GOARCH]
	if other == "" {
		other = "amd64"
	}
	const warning = "its programs need an emulator"
	s := newStore(t)
	path := filepath.Join(s.Host, "archive.tar")
	load := func(config object, flags ...string) string {
		t.Helper()
		i := newSaved(t)
		i.config = config
		write(t, path, i.oci(t))
		r := s.Minirun(append(append([]string{"load", "-q"}, flags...), path)...)
		r.Exit(t, 0)
		return r.Stderr
	}
	if said := load(object{"architecture": other}); !strings.Contains(said, warning) || !strings.Contains(said, "linux/"+other) || !strings.Contains(said, "hint:") {
		t.Errorf("load: %s", said)
	}
	if r := s.Minirun("run", "--rm", "--name", name("other"), "x:1", "/none"); !strings.Contains(r.Stderr, warning) {
		t.Errorf("run: %s", r.Stderr)
	}
	if said := load(object{"architecture": other}, "--platform", "linux/"+other); said != "" {
		t.Errorf("load --platform: %s", said)
	}
	for _, config := range []object{{}, {"architecture": "", "os": ""}} {
		if said := load(config); said != "" {
			t.Errorf("load of %v: %s", config, said)
		}
		if r := s.Minirun("run", "--rm", "--name", name("own"), "x:1", "/none"); strings.Contains(r.Stderr, warning) {
			t.Errorf("run of %v: %s", config, r.Stderr)
		}
	}
	if said := load(object{"os": "windows"}); !strings.Contains(said, "windows/"+runtime.GOARCH) {
		t.Errorf("load of another system: %s", said)
	}
	s.Minirun("run", "--rm", "--name", name("windows"), "x:1", "true").Fails(t, "windows/"+runtime.GOARCH, "only images for linux")
}

// TestRunWithoutLayers: an image without layers runs a program that is mounted into it.
func TestRunWithoutLayers(t *testing.T) {
	s := newStore(t)
	i := newSaved(t, []tar.Header{})
	i.plain, i.blobs, i.types = nil, nil, nil
	path := filepath.Join(s.Host, "archive.tar")
	write(t, path, i.oci(t))
	s.Do("load", "-q", path)
	rootfs := t.TempDir()
	for _, h := range busybox(t).entries {
		if h.Name == "bin/busybox" {
			write(t, filepath.Join(rootfs, "busybox"), h.Linkname)
		}
	}
	if got := s.Do("run", "--rm", "--name", name("nothing"), "-v", rootfs+":/mounted:ro", "x:1", "/mounted/busybox", "echo", "hello"); got != "hello" {
		t.Errorf("%q", got)
	}
	s.Check()
}

// TestImportOfGitArchive: the output of `git archive` begins with a global header; bzip2 and xz have
// no layer media type, so they are decompressed.
func TestImportOfGitArchive(t *testing.T) {
	need(t, "git", "git")
	s := newStore(t)
	repository := t.TempDir()
	tool(t, "git", "-C", repository, "init", "-q")
	write(t, filepath.Join(repository, "d/f"), "f")
	tool(t, "git", "-C", repository, "add", ".")
	tool(t, "git", "-C", repository, "-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "m")
	text, err := exec.Command("git", "-C", repository, "archive", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "comment=") {
		t.Fatal("git wrote no global header")
	}
	for _, how := range []string{"plain", "gzip", "bzip2", "xz", "zstd"} {
		t.Run(how, func(t *testing.T) {
			s := &store{&testbundle.Store{Bundle: s.Bundle, T: t, StoreDir: s.StoreDir}}
			s.Stdin = squeeze(t, how, string(text))
			s.Do("import", "-", "git:"+how)
			s.Stdin = ""
			out := filepath.Join(t.TempDir(), "out")
			s.Do("unpack", "git:"+how, out)
			if got := tree(t, out); len(got) != 3 || got["/d/f"] == "" {
				t.Errorf("%q", got)
			}
			saved := filepath.Join(t.TempDir(), "saved.tar")
			s.Do("save", "-q", "-o", saved, "git:"+how)
			if _, err := exec.LookPath("skopeo"); err == nil {
				tool(t, "skopeo", "--insecure-policy", "copy", "-q", "oci-archive:"+saved, "dir:"+t.TempDir()+"/dir")
			}
		})
	}
	s.Check()
}
