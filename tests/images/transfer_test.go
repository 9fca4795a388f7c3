package images

import (
	"archive/tar"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// noise returns content that does not compress.
func noise(n int) string {
	r := rand.NewChaCha8([32]byte{1})
	data := make([]byte, n)
	_, _ = r.Read(data)
	return string(data)
}

// TestRoundTripKeepsDigests: image → registry → pull → save → skopeo, umoci, podman; all tools see the
// same digests, and the files are the same.
func TestRoundTripKeepsDigests(t *testing.T) {
	need(t, "skopeo", "skopeo")
	host := testbundle.Registry(t)
	s, l := newStore(t), newLayout(t)
	want := l.add("app", runs("sh", "-c", "echo hello"), busybox(t), layer{entries: []tar.Header{file("a", "a"), file("etc/.wh.group", "")}, compression: "zstd"}, layer{entries: []tar.Header{file("b", "b")}, compression: "plain"})
	s.Do("load", "-q", l.dir)
	s.Do("push", "-q", "app", host+"/test/app:1")
	name := host + "/test/app:1"
	if got := tool(t, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+name); got != want.Digest.String() {
		t.Errorf("the registry has %s, want %s", got, want.Digest)
	}
	other := newStore(t)
	other.Do("pull", "-q", name)
	if got := other.images()[name].Digest; got != want.Digest.String() {
		t.Errorf("pulled %s, want %s", got, want.Digest)
	}
	saved := filepath.Join(other.Host, "saved.tar")
	other.Do("save", "-q", "-o", saved, name)
	for from, digest := range map[string]string{"oci-archive:" + saved: want.Digest.String(), "docker-archive:" + saved: ""} {
		if got := tool(t, "skopeo", "inspect", "--config", "--raw", from); sha(got) != other.images()[name].ID {
			t.Errorf("%s: the configuration is not the same: %s", from, got)
		}
		if got := tool(t, "skopeo", "inspect", "--format", "{{.Digest}}", from); digest != "" && got != digest {
			t.Errorf("%s: %s, want %s", from, got, digest)
		}
	}
	dir := filepath.Join(other.Host, "dir")
	other.Do("save", "-q", "--dir", dir, name)
	if got := tool(t, "umoci", "list", "--layout", dir); got != name {
		t.Errorf("umoci lists %q", got)
	}
	third := newStore(t)
	third.Do("load", "-q", saved)
	third.Do("load", "-q", dir)
	if got := third.images()[name].Digest; got != want.Digest.String() {
		t.Errorf("loaded %s", got)
	}
	var trees []map[string]string
	for _, x := range []*store{s, other, third} {
		tag := "app"
		if x != s {
			tag = name
		}
		out := filepath.Join(x.Host, "rootfs")
		x.Do("unpack", tag, out)
		trees = append(trees, stripTimes(tree(t, out), map[string]bool{"/": true, "/etc": true}))
		x.Check()
	}
	same(t, "pulled", trees[0], trees[1], never)
	same(t, "loaded", trees[0], trees[2], never)
}

// TestPullFromDisturbingRegistry: how a registry may disturb a pull.
func TestPullFromDisturbingRegistry(t *testing.T) {
	l := newLayout(t)
	big := layer{entries: []tar.Header{file("big", noise(400_000))}}
	d := l.add("app", runs("sh"), busybox(t), big)
	var m oci.Manifest
	readBlob(t, l, d, &m)
	blob := m.Layers[1].Digest.String()

	t.Run("breaks off", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.cut[blob] = 150_000
		if got := s.Minirun("pull", "-q", r.host()+"/x:app"); got.Status == 0 {
			t.Fatal("a pull that broke off succeeded")
		}
		if len(s.images()) != 0 {
			t.Error("it has left an image")
		}
		delete(r.cut, blob)
		s.Do("pull", "-q", r.host()+"/x:app")
		if r.count("/blobs/"+blob+" bytes=150000-") != 2 { // the first pull requested it, too
			t.Errorf("the second pull did not go on where the first broke off: %q", r.requests)
		}
		s.Check()
		before := r.count("/blobs/")
		s.Do("pull", "-q", r.host()+"/y:app")
		if r.count("/blobs/") > before {
			t.Errorf("fetched again: %q", r.requests)
		}
	})
	t.Run("lies", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.spoil = blob
		s.Minirun("pull", "-q", r.host()+"/x:app").Fails(t, "does not match its digest", blob)
		r.spoil = ""
		s.Do("pull", "-q", r.host()+"/x:app")
		s.Check()
	})
	t.Run("wants a password", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.password = "secret"
		s.Minirun("pull", "-q", r.host()+"/x:app").Fails(t, "log in")
		auth := base64.StdEncoding.EncodeToString([]byte("user:secret"))
		config := filepath.Join(s.Host, "docker")
		write(t, filepath.Join(config, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host(), auth))
		s.Env = []string{"DOCKER_CONFIG=" + config}
		s.Do("pull", "-q", r.host()+"/x:app")
	})
	t.Run("wants a helper's password", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.password = "secret"
		config := filepath.Join(s.Host, "docker")
		write(t, filepath.Join(config, "config.json"), fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, r.host()))
		write(t, filepath.Join(config, "docker-credential-test"), "#!/bin/sh\necho '{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"secret\"}'\n")
		s.Env = []string{"DOCKER_CONFIG=" + config, "PATH=" + config + ":" + os.Getenv("PATH")}
		s.Do("pull", "-q", r.host()+"/x:app")
	})
	t.Run("has a mirror", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		home := filepath.Join(s.Host, "home")
		write(t, filepath.Join(home, "minirun/registries.json"), fmt.Sprintf(`{"mirrors":{"docker.io":["http://127.0.0.1:1","http://%s"]}}`, r.host()))
		s.Env = []string{"XDG_CONFIG_HOME=" + home}
		got := s.Minirun("pull", "-q", "anything:app")
		got.Exit(t, 0)
		if !strings.Contains(got.Stderr, "mirror http://127.0.0.1:1") {
			t.Errorf("is silent about the first mirror: %s", got.Stderr)
		}
		if _, ok := s.images()["docker.io/library/anything:app"]; !ok {
			t.Errorf("%v", s.images())
		}
	})
	t.Run("has no such tag", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		s.Minirun("pull", "-q", r.host()+"/x:none").Fails(t, "no such tag")
	})
	t.Run("by digest", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		s.Do("pull", "-q", r.host()+"/x@"+d.Digest.String())
		s.Do("run", "--rm", "--name", testbundle.Prefix+"digest", r.host()+"/x@"+d.Digest.String(), "true")
	})
	t.Run("is run at once", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		if got := s.Do("run", "--rm", "--name", testbundle.Prefix+"once", r.host()+"/x:app", "echo", "hello"); got != "hello" {
			t.Errorf("%q", got)
		}
		s.Minirun("run", "--rm", "--pull", "never", r.host()+"/y:app", "true").Exit(t, 125)
	})
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func readBlob(t testing.TB, l *layout, d oci.Descriptor, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, "blobs/sha256", d.Digest.Encoded()))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestIndexIsTreatedAsOnePlatform: an index is treated as the image for one platform, unless all
// platforms are requested.
func TestIndexIsTreatedAsOnePlatform(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	index := oci.Index{MediaType: oci.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, p := range []oci.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "arm", Variant: "v7"}} {
		d := l.image(runs(p.Architecture), layer{entries: []tar.Header{file("arch", p.Architecture)}})
		d.Platform = &p
		index.Manifests = append(index.Manifests, d)
	}
	d := l.document(oci.MediaTypeImageIndex, index)
	l.name("multi", d)
	r := newRegistry(t, l)
	s.Do("pull", "-q", r.host()+"/a:multi")
	s.Do("pull", "-q", "--platform", "linux/arm/v7", r.host()+"/b:multi")
	s.Do("pull", "-q", "--all-platforms", r.host()+"/c:multi")
	got := s.images()
	if got[r.host()+"/b:multi"].Digest != index.Manifests[2].Digest.String() {
		t.Errorf("arm/v7: %+v", got)
	}
	if got[r.host()+"/c:multi"].Digest != d.Digest.String() {
		t.Errorf("all: %+v", got)
	}
	s.Minirun("pull", "-q", "--platform", "linux/s390x", r.host()+"/d:multi").Fails(t, "linux/s390x", "linux/arm64", "--platform")
	s.Check()
	out := filepath.Join(s.Host, "all.tar")
	s.Do("save", "-q", "-o", out, r.host()+"/c:multi")
	other := newStore(t)
	other.Do("load", "-q", "--all-platforms", out)
	if got := other.images()[r.host()+"/c:multi"].Digest; got != d.Digest.String() {
		t.Errorf("saved and loaded: %s", got)
	}
}
