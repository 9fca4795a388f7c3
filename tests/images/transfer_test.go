package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
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

// TestRoundTrip: image → registry → pull → save → skopeo, umoci, podman; all tools see the same
// digests, and the files are the same.
func TestRoundTrip(t *testing.T) {
	need(t, "skopeo", "skopeo")
	host := testbundle.Registry(t)
	s, l := newStore(t), newLayout(t)
	want := l.add("app", runs("sh", "-c", "echo hello"), busybox(t), layer{entries: []tar.Header{file("a", "a"), file("etc/.wh.group", "")}, compression: "zstd"}, layer{entries: []tar.Header{file("b", "b")}, compression: "plain"})
	s.do("load", "-q", l.dir)
	s.do("push", "-q", "app", host+"/test/app:1")
	name := host + "/test/app:1"
	if got := tool(t, "skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", "docker://"+name); got != want.Digest.String() {
		t.Errorf("the registry has %s, want %s", got, want.Digest)
	}
	other := newStore(t)
	other.do("pull", "-q", name)
	if got := other.images()[name].Digest; got != want.Digest.String() {
		t.Errorf("pulled %s, want %s", got, want.Digest)
	}
	saved := filepath.Join(other.Host, "saved.tar")
	other.do("save", "-q", "-o", saved, name)
	for from, digest := range map[string]string{"oci-archive:" + saved: want.Digest.String(), "docker-archive:" + saved: ""} {
		if got := tool(t, "skopeo", "inspect", "--config", "--raw", from); sha(got) != other.images()[name].ID {
			t.Errorf("%s: the configuration is not the same: %s", from, got)
		}
		if got := tool(t, "skopeo", "inspect", "--format", "{{.Digest}}", from); digest != "" && got != digest {
			t.Errorf("%s: %s, want %s", from, got, digest)
		}
	}
	dir := filepath.Join(other.Host, "dir")
	other.do("save", "-q", "--dir", dir, name)
	if got := tool(t, "umoci", "list", "--layout", dir); got != name {
		t.Errorf("umoci lists %q", got)
	}
	third := newStore(t)
	third.do("load", "-q", saved)
	third.do("load", "-q", dir)
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
		x.do("unpack", tag, out)
		trees = append(trees, stripTimes(tree(t, out), map[string]bool{"/": true, "/etc": true}))
		x.check()
	}
	same(t, "pulled", trees[0], trees[1], never)
	same(t, "loaded", trees[0], trees[2], never)
}

func never(string) bool { return false }

// TestPodmanLoads: podman loads what save writes, with the same ID; and load accepts what podman
// saves.
func TestPodmanLoads(t *testing.T) {
	need(t, "podman", "podman")
	s := loaded(t, runs("sh"))
	saved := filepath.Join(s.Host, "saved.tar")
	s.do("save", "-q", "-o", saved, "busybox")
	podman := func(args ...string) string {
		t.Helper()
		return tool(t, "podman", append([]string{"--root", filepath.Join(s.Host, "p"), "--runroot", filepath.Join(s.Host, "pr"), "--storage-driver", "vfs"}, args...)...)
	}
	podman("load", "-q", "-i", saved)
	id := s.images()["docker.io/library/busybox:latest"].ID
	if got := podman("images", "-q", "--no-trunc"); got != id {
		t.Errorf("podman calls it %s, minirun %s", got, id)
	}
	for _, format := range []string{"docker-archive", "oci-archive"} {
		back := filepath.Join(s.Host, format+".tar")
		podman("save", "-q", "--format", format, "-o", back, "busybox")
		other := newStore(t)
		other.do("load", "-q", back)
		got := other.images()
		if len(got) != 1 {
			t.Fatalf("%s: %v", format, got)
		}
		for _, l := range got {
			if l.ID != id && format == "docker-archive" {
				t.Errorf("%s: %s, want %s", format, l.ID, id)
			}
		}
		other.check()
	}
	podman("rmi", "-a", "-f")
}

// TestPull: how a registry may disturb a pull.
func TestPull(t *testing.T) {
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
		s.do("pull", "-q", r.host()+"/x:app")
		if r.count("/blobs/"+blob+" bytes=150000-") != 2 { // the first pull requested it, too
			t.Errorf("the second pull did not go on where the first broke off: %q", r.requests)
		}
		s.check()
		before := r.count("/blobs/")
		s.do("pull", "-q", r.host()+"/y:app")
		if r.count("/blobs/") > before {
			t.Errorf("fetched again: %q", r.requests)
		}
	})
	t.Run("lies", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.spoil = blob
		s.Minirun("pull", "-q", r.host()+"/x:app").Fails(t, "does not match its digest", blob)
		r.spoil = ""
		s.do("pull", "-q", r.host()+"/x:app")
		s.check()
	})
	t.Run("wants a password", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.password = "secret"
		s.Minirun("pull", "-q", r.host()+"/x:app").Fails(t, "log in")
		auth := base64.StdEncoding.EncodeToString([]byte("user:secret"))
		config := filepath.Join(s.Host, "docker")
		write(t, filepath.Join(config, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host(), auth))
		s.Env = []string{"DOCKER_CONFIG=" + config}
		s.do("pull", "-q", r.host()+"/x:app")
	})
	t.Run("wants a helper's password", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		r.password = "secret"
		config := filepath.Join(s.Host, "docker")
		write(t, filepath.Join(config, "config.json"), fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, r.host()))
		write(t, filepath.Join(config, "docker-credential-test"), "#!/bin/sh\necho '{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"secret\"}'\n")
		s.Env = []string{"DOCKER_CONFIG=" + config, "PATH=" + config + ":" + os.Getenv("PATH")}
		s.do("pull", "-q", r.host()+"/x:app")
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
		s.do("pull", "-q", r.host()+"/x@"+d.Digest.String())
		s.do("run", "--rm", "--name", testbundle.Prefix+"digest", r.host()+"/x@"+d.Digest.String(), "true")
	})
	t.Run("is run at once", func(t *testing.T) {
		s, r := newStore(t), newRegistry(t, l)
		if got := s.do("run", "--rm", "--name", testbundle.Prefix+"once", r.host()+"/x:app", "echo", "hello"); got != "hello" {
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

// TestPlatforms: an index is treated as the image for one platform, unless all platforms are
// requested.
func TestPlatforms(t *testing.T) {
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
	s.do("pull", "-q", r.host()+"/a:multi")
	s.do("pull", "-q", "--platform", "linux/arm/v7", r.host()+"/b:multi")
	s.do("pull", "-q", "--all-platforms", r.host()+"/c:multi")
	got := s.images()
	if got[r.host()+"/b:multi"].Digest != index.Manifests[2].Digest.String() {
		t.Errorf("arm/v7: %+v", got)
	}
	if got[r.host()+"/c:multi"].Digest != d.Digest.String() {
		t.Errorf("all: %+v", got)
	}
	s.Minirun("pull", "-q", "--platform", "linux/s390x", r.host()+"/d:multi").Fails(t, "linux/s390x", "linux/arm64", "--platform")
	s.check()
	out := filepath.Join(s.Host, "all.tar")
	s.do("save", "-q", "-o", out, r.host()+"/c:multi")
	other := newStore(t)
	other.do("load", "-q", "--all-platforms", out)
	if got := other.images()[r.host()+"/c:multi"].Digest; got != d.Digest.String() {
		t.Errorf("saved and loaded: %s", got)
	}
}

// TestLoadForms: archives in the formats that tools have written over a decade.
func TestLoadForms(t *testing.T) {
	l := newLayout(t)
	d := l.add("docker.io/library/app:1", runs("sh"), layer{entries: []tar.Header{file("f", "f")}, compression: "plain"}, layer{entries: []tar.Header{file("g", "g")}, compression: "plain"})
	var m oci.Manifest
	readBlob(t, l, d, &m)
	read := func(d oci.Descriptor) string {
		text, err := os.ReadFile(filepath.Join(l.dir, "blobs/sha256", d.Digest.Encoded()))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	old := archive(t, []tar.Header{
		dir("aaa"), file("aaa/layer.tar", read(m.Layers[0])), dir("bbb"), file("bbb/layer.tar", read(m.Layers[1])), link("ccc/layer.tar", "../bbb/layer.tar"),
		file("config.json", read(m.Config)), file("manifest.json", `[{"Config":"config.json","RepoTags":["app:1","other:2"],"Layers":["aaa/layer.tar","ccc/layer.tar"]}]`),
	})
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(old); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"docker save": old, "docker save, compressed": packed.Bytes()} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			path := filepath.Join(s.Host, "x.tar")
			write(t, path, string(data))
			s.do("load", "-q", path)
			if got := s.images(); got["docker.io/library/app:1"].ID != m.Config.Digest.String() || len(got) != 2 {
				t.Errorf("%+v", got)
			}
			s.check()
			other := newStore(t)
			other.Stdin = string(data)
			other.do("load", "-q")
			if got := other.images(); len(got) != 2 {
				t.Errorf("from standard input: %+v", got)
			}
		})
	}
	t.Run("wrong", func(t *testing.T) {
		s := newStore(t)
		for name, text := range map[string]string{"no image": string(archive(t, []tar.Header{file("x", "x")})), "no archive": "hello", "nothing": "", "torn": string(old[:2000])} {
			path := filepath.Join(s.Host, "x.tar")
			write(t, path, text)
			if r := s.Minirun("load", "-q", path); r.Status == 0 || !strings.Contains(r.Stderr, "x.tar") {
				t.Errorf("%s: status %d: %s", name, r.Status, r.Stderr)
			}
		}
		s.check()
	})
}

// TestImport: a root file system is imported as an image, with instructions for its configuration.
func TestImport(t *testing.T) {
	s := newStore(t)
	s.Stdin = string(archive(t, busybox(t).entries))
	s.do("import", "-c", `ENTRYPOINT ["echo"]`, "-c", "CMD hello there", "-c", "ENV A=b C=d", "-c", "WORKDIR /tmp", "-c", "HEALTHCHECK --interval=5s CMD true", "-", "imported")
	if got := s.do("run", "--rm", "--name", testbundle.Prefix+"import", "imported"); got != "/bin/sh -c hello there" {
		t.Errorf("%q", got)
	}
	s.Minirun("import", "-c", "RUN true", "-", "x").Fails(t, "RUN needs a build")
	s.check()
}

// TestNames: tag, rmi and prune, and what is kept as long as it is needed.
func TestNames(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	base := busybox(t)
	l.add("one", runs("sh"), base, layer{entries: []tar.Header{file("one", "1")}})
	l.add("two", runs("sh"), base, layer{entries: []tar.Header{file("two", "2")}})
	s.do("load", "-q", l.dir)
	layers := func() int {
		files, err := os.ReadDir(filepath.Join(s.dir, "layers"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if n := layers(); n != 3 {
		t.Errorf("two images with a common base have %d layers unpacked, not 3", n)
	}
	s.do("tag", "one", "again:2")
	s.do("rmi", "one")
	if n := layers(); n != 3 {
		t.Errorf("an image with another name lost layers: %d", n)
	}
	s.do("run", "--name", testbundle.Prefix+"holds", "again:2", "touch", "/x")
	s.do("rmi", "again:2")
	if n := layers(); n != 3 {
		t.Errorf("a container's image lost layers: %d", n)
	}
	if got := s.do("layers", testbundle.Prefix+"holds"); !strings.Contains(got, "new") || !strings.Contains(got, "/x") {
		t.Errorf("what the container has written: %s", got)
	}
	s.check()
	s.do("rm", testbundle.Prefix+"holds")
	s.do("prune")
	if n := layers(); n != 2 {
		t.Errorf("pruned, and %d layers are left", n)
	}
	s.Minirun("rmi", "none").Fails(t, "no such image")
	s.Minirun("tag", "two", "UPPER").Fails(t, "lower case")
	id := s.images()["docker.io/library/two:latest"].ID
	s.do("rmi", strings.TrimPrefix(id, "sha256:")[:12])
	if n := layers(); n != 0 {
		t.Errorf("%d layers are left of nothing", n)
	}
	if files, _ := os.ReadDir(filepath.Join(s.dir, "blobs/sha256")); len(files) != 0 {
		t.Errorf("%d blobs are left of nothing", len(files))
	}
	s.check()
}

func sha(text string) string {
	cmd := exec.Command("sha256sum")
	cmd.Stdin = strings.NewReader(text)
	out, _ := cmd.Output()
	return "sha256:" + strings.Fields(string(out) + " -")[0]
}

// TestTableHeads: the tables of images and containers begin with the names of their columns.
func TestTableHeads(t *testing.T) {
	s := loaded(t, runs("sleep", "1000"))
	id := name("table")
	s.do("run", "-d", "--name", id, "busybox")
	defer s.do("rm", "-f", id)
	for _, c := range []struct {
		args []string
		head string
	}{
		{[]string{"images"}, "NAME ID CREATED LAYERS SIZE"},
		{[]string{"ps"}, "NAME IMAGE COMMAND STATUS PID PORTS"},
		{[]string{"history", "busybox"}, "LAYER CREATED CREATED BY SIZE"},
		{[]string{"layers", "busybox"}, "LAYER ADDED CHANGED REMOVED SIZE WASTED CREATED BY"},
		{[]string{"layers", id}, "LAYER ROLE FILES BYTES WHITEOUTS OPAQUE PATH"},
	} {
		first, _, _ := strings.Cut(s.do(c.args...), "\n")
		if got := strings.Join(strings.Fields(first), " "); got != c.head {
			t.Errorf("%v: %q, want %q", c.args, got, c.head)
		}
	}
}
