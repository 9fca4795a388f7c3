package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

func never(string) bool { return false }

// TestPodmanLoads: podman loads what save writes, with the same ID; and load accepts what podman
// saves.
func TestPodmanLoads(t *testing.T) {
	need(t, "podman", "podman")
	s := loaded(t, runs("sh"))
	saved := filepath.Join(s.Host, "saved.tar")
	s.Do("save", "-q", "-o", saved, "busybox")
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
		other.Do("load", "-q", back)
		got := other.images()
		if len(got) != 1 {
			t.Fatalf("%s: %v", format, got)
		}
		for _, l := range got {
			if l.ID != id && format == "docker-archive" {
				t.Errorf("%s: %s, want %s", format, l.ID, id)
			}
		}
		other.Check()
	}
	podman("rmi", "-a", "-f")
}

// TestLoadAcceptsOldFormats: archives in the formats that tools have written over a decade.
func TestLoadAcceptsOldFormats(t *testing.T) {
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
			s.Do("load", "-q", path)
			if got := s.images(); got["docker.io/library/app:1"].ID != m.Config.Digest.String() || len(got) != 2 {
				t.Errorf("%+v", got)
			}
			s.Check()
			other := newStore(t)
			other.Stdin = string(data)
			other.Do("load", "-q")
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
		s.Check()
	})
}

// TestImportRootFileSystem: a root file system is imported as an image, with instructions for its
// configuration.
func TestImportRootFileSystem(t *testing.T) {
	s := newStore(t)
	s.Stdin = string(archive(t, busybox(t).entries))
	s.Do("import", "-c", `ENTRYPOINT ["echo"]`, "-c", "CMD hello there", "-c", "ENV A=b C=d", "-c", "WORKDIR /tmp", "-c", "HEALTHCHECK --interval=5s CMD true", "-", "imported")
	if got := s.Do("run", "--rm", "--name", testbundle.Prefix+"import", "imported"); got != "/bin/sh -c hello there" {
		t.Errorf("%q", got)
	}
	s.Minirun("import", "-c", "RUN true", "-", "x").Fails(t, "RUN needs a build")
	s.Check()
}
