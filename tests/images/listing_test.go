package images

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	oci "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/minirun/minirun/tests/testbundle"
)

// builtImage returns a store with an image that is built from an imported one.
func builtImage(t *testing.T) *store {
	t.Helper()
	s := loaded(t, docker.DockerOCIImageConfig{}, layer{entries: []tar.Header{file("zeros",
		strings.Repeat("0", 50000))}})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM busybox\nCOPY f /f\nLABEL a=b\nRUN rm /zeros\n")
	write(t, filepath.Join(dir, "f"), strings.Repeat("x", 12345))
	s.Do("build", "-q", "-t", "app:1", dir)
	return s
}

// TestSizesAgree: images, history, layers and inspect show the same sizes, those of the files, for
// layers that were unpacked and for those that were built.
func TestSizesAgree(t *testing.T) {
	s := builtImage(t)
	var list []struct{ Size, Packed int64 }
	var history []struct {
		Layer string
		Size  int64
	}
	var layers []struct {
		Blob  string
		Bytes int64
	}
	var inspected []struct{ Size int64 }
	s.JSON(&list, "images", "--format", "json", "app:1")
	s.JSON(&history, "history", "--format", "json", "app:1")
	s.JSON(&layers, "layers", "--format", "json", "app:1")
	s.JSON(&inspected, "inspect", "app:1")
	var sum int64
	sizes := map[string]int64{}
	for _, l := range layers {
		sum += l.Bytes
		sizes[l.Blob] = l.Bytes
	}
	for _, h := range history {
		if h.Size != sizes[h.Layer] {
			t.Errorf("%s: history shows %d, layers %d", h.Layer, h.Size, sizes[h.Layer])
		}
	}
	if len(layers) != 4 || sum < 62345 || list[0].Size != sum || inspected[0].Size != sum || list[0].Packed == sum {
		t.Errorf("%d layers with %d bytes, images %+v, inspect %+v", len(layers), sum, list, inspected)
	}
	s.Check()
}

// TestHistoryNamesBuilder: the instructions that minirun built do not name another builder, and the
// table fits 80 columns.
func TestHistoryNamesBuilder(t *testing.T) {
	s := builtImage(t)
	for _, args := range [][]string{{"history", "app:1"}, {"history", "--no-trunc", "app:1"}, {"layers", "app:1"}} {
		out := s.Do(args...)
		if !strings.Contains(out, "COPY f /f # minirun") || strings.Contains(out, "buildkit") {
			t.Errorf("%v: %s", args, out)
		}
		for line := range strings.Lines(out) {
			if len([]rune(line)) > 81 && len(args) == 2 {
				t.Errorf("%v: the line is longer than 80 columns: %s", args, line)
			}
		}
	}
	if out := s.Do("history", "--format", "{{.Comment}}", "app:1"); !strings.HasPrefix(out, "minirun build\n") {
		t.Errorf("%q", out)
	}
	if out := s.Do("history", "--human=false", "-q", "--no-trunc", "app:1"); !strings.Contains(out, "sha256:") {
		t.Errorf("%q", out)
	}
}

// TestImagesLikeDocker: flags of docker images, with the output that docker prints.
func TestImagesLikeDocker(t *testing.T) {
	s := builtImage(t)
	id := strings.TrimPrefix(s.images()["docker.io/library/app:1"].ID, "sha256:")[:12]
	for _, c := range []struct{ args, want string }{
		{"-q app", id}, {"-a -q --filter reference=a*:1", id}, {"--filter label=a=b --quiet", id},
		{"--filter since=busybox -q", id}, {"-f before=app:1 --format {{.Repository}}:{{.Tag}}", "busybox:latest"},
		{"--filter dangling=true -q", ""}, {"--format {{.ID}} app:1", id}, {"--no-trunc -q app", "sha256:" + id},
		{"-q 'ap*'", id},
		{"--format {{.Repository}}@{{.Digest}} app", "app@" + s.images()["docker.io/library/app:1"].Digest},
	} {
		out := s.Do(append([]string{"images"}, strings.Fields(strings.ReplaceAll(c.args, "'", ""))...)...)
		if !strings.HasPrefix(out, c.want) || c.want == "" && out != "" || strings.Contains(out, "\n") {
			t.Errorf("images %s: %q, want %q", c.args, out, c.want)
		}
	}
	if head, _, _ := strings.Cut(s.Do("images", "--digests"), "\n"); !strings.Contains(head, "DIGEST") {
		t.Errorf("%q", head)
	}
	s.Minirun("images", "--filter", "x=y").Fails(t, `unknown key "x"`, "hint: the keys are dangling")
	s.Minirun("images", "-q", "--format", "json").Fails(t, "--format has no effect", "hint: ")
}

// TestInspectImages: minirun inspect shows images with docker's field names, and containers as before.
func TestInspectImages(t *testing.T) {
	s := builtImage(t)
	s.Do("tag", "app:1", "localhost:5000/app:2")
	var got []struct {
		ID, Os, Architecture, Created string
		RepoTags, RepoDigests         []string
		Config                        oci.ImageConfig
		RootFS                        struct{ Layers []string }
		Metadata                      struct{ LastTagTime string }
	}
	s.JSON(&got, "inspect", "app:1", "busybox", "--type", "image")
	if len(got) != 2 || strings.Join(got[0].RepoTags, " ") != "app:1 localhost:5000/app:2" || got[0].Os != "linux" ||
		got[0].Config.Labels["a"] != "b" || len(got[0].RootFS.Layers) != 4 || got[0].Created == "" {
		t.Errorf("%+v", got)
	}
	if out := s.Do("inspect", "-f", `{{index .RepoTags 0}} {{.Config.Labels.a}} {{join .RepoTags ","}}`, "app:1"); out !=
		"app:1 b app:1,localhost:5000/app:2" {
		t.Errorf("%q", out)
	}
	r := s.Minirun("inspect", "app:1", "none")
	if r.Fails(t, "no such image", "none"); !strings.Contains(r.Stdout, `"app:1"`) {
		t.Errorf("after an error: %s", r.Stdout)
	}
	s.Minirun("inspect", "--format", "{{.Nope}}", "app:1").Fails(t, "--format", "Nope")
	s.Minirun("inspect", "--platform", "linux/s390x", "app:1").Fails(t, "not for linux/s390x", "hint: ")
	s.Minirun("inspect", "--type", "volume", "app:1").Fails(t, "must be image or container")
	s.Minirun("layers", "none").Fails(t, `"none" is not a container, an image or a bundle`, "hint: minirun ps -a")

	// A container with the name of an image is a container.
	s.Do("tag", "app:1", testbundle.Prefix+"both")
	s.Do("run", "--name", testbundle.Prefix+"both", "app:1", "true")
	defer s.Do("rm", testbundle.Prefix+"both")
	if out := s.Do("inspect", testbundle.Prefix+"both"); !strings.HasPrefix(out, "image ") {
		t.Errorf("%s", out)
	}
	var images []json.RawMessage
	s.JSON(&images, "inspect", "--type", "image", testbundle.Prefix+"both")
	s.Minirun("inspect", testbundle.Prefix+"both", "app:1").Fails(t, "no such container", "app:1 is an image")
}

// TestSizesWithoutUnpacking: an image that is not unpacked shows the size of its blobs, and says so.
func TestSizesWithoutUnpacking(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	l.add("one", runs("sh"), layer{entries: []tar.Header{file("one", "1")}})
	s.Do("load", "-q", "--no-unpack", l.dir)
	for _, command := range []string{"images", "history"} {
		if out := s.Do(command, "one"); !strings.Contains(out, "B packed") {
			t.Errorf("%s: %s", command, out)
		}
	}
	if _, err := os.Stat(filepath.Join(s.StoreDir, "layers")); err != nil {
		t.Error(err)
	}
}
