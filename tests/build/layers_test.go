package build

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/image/layer"
)

// pictureWithLayers is a picture, and what each layer changes: two ways to say the same,
// such as an opaque directory and a whiteout for each of its files, are no difference,
// and an entry that says what the layers below say already is as good as none. The files
// of such entries are returned too.
func (s *shelf) pictureWithLayers(t *testing.T, archive string) (out []string, repeated map[string]bool) {
	t.Helper()
	m, at := open(t, archive)
	out = s.describe(t, m, at)
	c := &layerTree{tree: map[string]string{}, repeated: map[string]bool{}}
	for i, l := range m.Layers {
		below := maps.Clone(c.tree)
		c.apply(t, at(l.Digest))
		for _, line := range c.since(below) {
			out = append(out, fmt.Sprintf("layer %d: %s", i, line))
		}
	}
	return out, c.repeated
}

// layerTree is what layers make of a tree, which has a description of each file.
type layerTree struct {
	tree     map[string]string
	repeated map[string]bool // files that a layer has as the ones below it have them
}

// apply changes the tree as a layer says. What it deletes is of the layers below,
// wherever in the archive that is said.
func (c *layerTree) apply(t *testing.T, blob string) {
	t.Helper()
	below := maps.Clone(c.tree)
	made := map[string]string{}
	readLayer(t, blob, func(h *tar.Header, content []byte) {
		name := path.Clean("/" + h.Name)
		dir, base := path.Split(name)
		if deleted, ok := strings.CutPrefix(base, ".wh."); ok {
			if base != ".wh..wh..opq" {
				delete(c.tree, dir+deleted)
				dir += deleted + "/"
			}
			c.deleteBelow(dir)
			return
		}
		file := fmt.Sprintf("%c %o %d:%d %s %q %d %x", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Linkname, h.PAXRecords, h.ModTime.Unix(), content)
		switch h.Typeflag {
		case tar.TypeDir: // whose time does not count
			file = fmt.Sprintf("d %o %d:%d", h.Mode, h.Uid, h.Gid)
		case tar.TypeLink:
			target := path.Clean("/" + h.Linkname)
			if file = made[target]; file == "" {
				file = below[target]
			}
		}
		made[name] = file
	})
	for name, file := range made {
		if !strings.HasPrefix(file, "d ") {
			c.deleteBelow(name + "/")
			c.repeated[name] = c.repeated[name] || below[name] == file
		}
	}
	maps.Copy(c.tree, made)
}

func (c *layerTree) deleteBelow(dir string) {
	maps.DeleteFunc(c.tree, func(name, _ string) bool { return strings.HasPrefix(name, dir) })
}

// since lists what is other than it was: + for what is new or changed, - for what is
// gone, with all that was in it.
func (c *layerTree) since(before map[string]string) (out []string) {
	for name, file := range c.tree {
		if before[name] != file {
			out = append(out, "+"+name)
		}
	}
	for name := range before {
		if c.tree[name] == "" && c.tree[path.Dir(name)] != "" {
			out = append(out, "-"+name)
		}
	}
	slices.Sort(out)
	if len(out) > 100 {
		return []string{"the base"}
	}
	return out
}

// readLayer reads the entries of a layer, with the digest of each one's content.
func readLayer(t *testing.T, blob string, entry func(h *tar.Header, content []byte)) {
	t.Helper()
	f, err := os.Open(blob)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := layer.NewReader(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		content := sha256.New()
		if err == nil {
			_, err = io.Copy(content, archive)
		}
		if err != nil {
			t.Fatal(err)
		}
		entry(h, content.Sum(nil))
	}
}

// linked is a line of a picture that describes a further name of a file.
var linked = regexp.MustCompile(`^(\S+) (.*) is (/.*)$`)

// dropLinks removes from pictures which names are the same file, for files that minirun's
// layers repeat: they are files of their own then. BuildKit leaves what is repeated out
// of a layer, and they stay what they were.
func dropLinks(repeated map[string]bool, pictures ...[]string) {
	names := map[string]bool{}
	for _, picture := range pictures {
		for _, line := range picture {
			if m := linked.FindStringSubmatch(line); m != nil && (repeated[m[1]] || repeated[m[3]]) {
				names[m[1]] = true
			}
		}
	}
	for _, picture := range pictures {
		for i, line := range picture {
			if m := linked.FindStringSubmatch(line); m != nil && names[m[1]] {
				picture[i] = m[1] + " " + m[2]
			}
		}
	}
}
