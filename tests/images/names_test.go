package images

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestTaggedImagesAreKept: tag, rmi and prune, and what is kept as long as it is needed.
func TestTaggedImagesAreKept(t *testing.T) {
	s, l := newStore(t), newLayout(t)
	base := busybox(t)
	l.add("one", runs("sh"), base, layer{entries: []tar.Header{file("one", "1")}})
	l.add("two", runs("sh"), base, layer{entries: []tar.Header{file("two", "2")}})
	s.Do("load", "-q", l.dir)
	layers := func() int {
		files, err := os.ReadDir(filepath.Join(s.StoreDir, "layers"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if n := layers(); n != 3 {
		t.Errorf("two images with a common base have %d layers unpacked, not 3", n)
	}
	s.Do("tag", "one", "again:2")
	s.Do("rmi", "one")
	if n := layers(); n != 3 {
		t.Errorf("an image with another name lost layers: %d", n)
	}
	s.Do("run", "--name", testbundle.Prefix+"holds", "again:2", "touch", "/x")
	s.Do("rmi", "again:2")
	if n := layers(); n != 3 {
		t.Errorf("a container's image lost layers: %d", n)
	}
	if got := s.Do("layers", testbundle.Prefix+"holds"); !strings.Contains(got, "new") || !strings.Contains(got, "/x") {
		t.Errorf("the files that the container wrote: %s", got)
	}
	s.Check()
	s.Do("rm", testbundle.Prefix+"holds")
	s.Do("prune")
	if n := layers(); n != 2 {
		t.Errorf("pruned, and %d layers are left", n)
	}
	s.Minirun("rmi", "none").Fails(t, "no such image")
	s.Minirun("tag", "two", "UPPER").Fails(t, "lower case")
	id := s.images()["docker.io/library/two:latest"].ID
	s.Do("rmi", strings.TrimPrefix(id, "sha256:")[:12])
	if n := layers(); n != 0 {
		t.Errorf("%d layers are left of nothing", n)
	}
	if files, _ := os.ReadDir(filepath.Join(s.StoreDir, "blobs/sha256")); len(files) != 0 {
		t.Errorf("%d blobs are left of nothing", len(files))
	}
	s.Check()
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
	s.Do("run", "-d", "--name", id, "busybox")
	defer s.Do("rm", "-f", id)
	for _, c := range []struct {
		args []string
		head string
	}{
		{[]string{"images"}, "NAME ID CREATED LAYERS SIZE"},
		{[]string{"ps"}, "CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES"},
		{[]string{"history", "busybox"}, "LAYER CREATED CREATED BY SIZE"},
		{[]string{"layers", "busybox"}, "LAYER ADDED CHANGED REMOVED SIZE WASTED CREATED BY"},
		{[]string{"layers", id}, "LAYER ROLE FILES BYTES WHITEOUTS OPAQUE PATH"},
	} {
		first, _, _ := strings.Cut(s.Do(c.args...), "\n")
		if got := strings.Join(strings.Fields(first), " "); got != c.head {
			t.Errorf("%v: %q, want %q", c.args, got, c.head)
		}
	}
}
