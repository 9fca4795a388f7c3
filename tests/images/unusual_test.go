package images

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// An unusual archive is one that tools have written in the last decade, or could write.
type unusual struct {
	make     func(t *testing.T) string
	files    string // the files of the image, sorted; "" stands for filesOfTwoLayers
	onlyLoad bool   // umoci does not unpack it
}

const (
	filesOfTwoLayers = "a a/f b"
	nothing          = "nothing"
)

// TestUnusualArchives: `load` accepts them, and what it saves has the same files when it is unpacked
// by umoci, by way of skopeo.
func TestUnusualArchives(t *testing.T) {
	cases := map[string]unusual{}
	for _, list := range []map[string]unusual{dockerArchives(), ociArchives(), unusualLayers(), compressedArchives()} {
		maps.Copy(cases, list)
	}
	if len(cases) < 60 {
		t.Fatalf("%d cases", len(cases))
	}
	s, second := newStore(t), newStore(t)
	// In a directory that other users may enter, the root's mode is 0700.
	if err := os.Chmod(s.Host, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			c := cases[name]
			here := &store{&testbundle.Store{Bundle: s.Bundle, T: t, StoreDir: s.StoreDir}}
			image, got := here.loadAndList(c.make(t))
			want := strings.NewReplacer(nothing, "", " ", " /").Replace("/" + cmp.Or(c.files, filesOfTwoLayers))
			if names := strings.Join(slices.Sorted(maps.Keys(got))[1:], " "); names != strings.TrimSuffix(want, "/") {
				t.Errorf("it has %s; want %s", names, want)
			}
			if !c.onlyLoad {
				saveAndLoad(t, here, &store{&testbundle.Store{Bundle: second.Bundle, T: t, StoreDir: second.StoreDir}}, image, got)
			}
		})
	}
	s.Check()
	second.Check()
}

// loadAndList loads an archive, and describes the files of its first image.
func (s *store) loadAndList(archive string) (image string, files map[string]string) {
	s.T.Helper()
	path := filepath.Join(s.T.TempDir(), "archive")
	write(s.T, path, archive)
	line, _, _ := strings.Cut(s.Do("load", "-q", path), "\n")
	image = strings.Fields(line)[0]
	out := filepath.Join(s.Host, "unpacked")
	defer os.RemoveAll(out)
	s.Do("unpack", image, out)
	return image, tree(s.T, out)
}

// saveAndLoad saves an image, copies it with skopeo, unpacks it with umoci, and loads it into another
// store.
func saveAndLoad(t *testing.T, s, second *store, image string, want map[string]string) {
	t.Helper()
	need(t, "skopeo", "skopeo")
	need(t, "umoci", "umoci")
	dir := t.TempDir()
	saved := filepath.Join(dir, "saved.tar")
	s.Do("save", "-q", "-o", saved, image)
	// umoci 0.4.7 supports only gzip: skopeo recompresses the same archives.
	tool(t, "skopeo", "--insecure-policy", "copy", "-q", "--dest-compress", "--dest-compress-format", "gzip", "oci-archive:"+saved, "oci:"+dir+"/layout:x")
	tool(t, "skopeo", "--insecure-policy", "copy", "-q", "docker-archive:"+saved, "dir:"+dir+"/dir")
	tool(t, "umoci", "unpack", "--image", dir+"/layout:x", dir+"/umoci")
	if difference := differences(comparable(want, true), comparable(tree(t, dir+"/umoci/rootfs"), true)); difference != "" {
		t.Error(difference)
	}
	second.Do("load", "-q", saved)
	second.Do("load", "-q", dir+"/layout")
}
