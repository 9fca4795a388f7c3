package build

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	docker "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
)

// layerPicture describes the image in an OCI archive as picture does, but from the contents of its
// layers without unpacking them, together with the changes of each layer. Two equivalent encodings,
// such as an opaque directory and a whiteout for each of its files, do not count as a difference.
func layerPicture(t *testing.T, archive string) (out []string) {
	t.Helper()
	m, at := open(t, archive)
	tree := layerTree{}
	var changes []string
	for i, l := range m.Layers {
		below := maps.Clone(tree)
		tree.apply(readLayer(t, l.Digest, at(l.Digest)))
		for _, line := range tree.changesSince(below) {
			changes = append(changes, fmt.Sprintf("layer %d: %s", i, line))
		}
	}
	var config docker.DockerOCIImage
	read(t, at(m.Config.Digest), &config)
	out = append(tree.describe(), fmt.Sprint("layers ", len(m.Layers)))
	return slices.Concat(out, settings(t, &config), changes)
}

// A layerFile is a file in a layer; its hard links share it.
type layerFile struct {
	text string // kind, mode, owner, content
	dir  bool
}

// A layerEntry is an entry of a layer: a file, a whiteout, or a hard link.
type layerEntry struct {
	name string
	file *layerFile // nil: a whiteout, or a link
	link string
}

// A layerTree is the tree that layers produce, by name.
type layerTree map[string]*layerFile

// apply applies the entries of a layer to the tree. Whiteouts delete files of the layers below,
// wherever they are in the archive. A file that already exists with the same description stays the
// same object: BuildKit omits it from a layer.
func (tree layerTree) apply(entries []layerEntry) {
	below := maps.Clone(tree)
	made := layerTree{}
	for _, e := range entries {
		dir, base := path.Split(e.name)
		switch deleted, isWhiteout := strings.CutPrefix(base, ".wh."); {
		case base == ".wh..wh..opq":
			tree.deleteBelow(dir)
		case isWhiteout:
			delete(tree, dir+deleted)
			tree.deleteBelow(dir + deleted + "/")
		case e.file != nil:
			made[e.name] = e.file
		case made[e.link] != nil:
			made[e.name] = made[e.link]
		default:
			made[e.name] = below[e.link]
		}
	}
	for name, file := range made {
		if !file.dir {
			tree.deleteBelow(name + "/")
		}
	}
	for name, file := range made {
		if there := below[name]; there != nil && there.text == file.text {
			file = there
		}
		tree[name] = file
	}
}

func (tree layerTree) deleteBelow(dir string) {
	maps.DeleteFunc(tree, func(name string, _ *layerFile) bool { return strings.HasPrefix(name, dir) })
}

// changesSince lists the changes: + for new or changed files, - for deleted files, including
// everything in a deleted directory.
func (tree layerTree) changesSince(before layerTree) (out []string) {
	for name, file := range tree {
		if was := before[name]; was == nil || was.text != file.text {
			out = append(out, "+"+name)
		}
	}
	for name := range before {
		if tree[name] == nil && tree[path.Dir(name)] != nil {
			out = append(out, "-"+name)
		}
	}
	slices.Sort(out)
	if len(out) > 200 {
		return []string{"the base"}
	}
	return out
}

// describe returns a line for each name.
func (tree layerTree) describe() (out []string) {
	first := map[*layerFile]string{}
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		line := name + " " + tree[name].text
		if other, ok := first[tree[name]]; ok {
			line += " is " + other
		} else {
			first[tree[name]] = name
		}
		out = append(out, line)
	}
	return out
}

// layersRead caches the layers that have been read, by digest: most images have the same base.
var layersRead sync.Map

// readLayer reads the entries of a layer.
func readLayer(t *testing.T, d digest.Digest, blob string) (out []layerEntry) {
	t.Helper()
	if known, ok := layersRead.Load(d); ok {
		return known.([]layerEntry)
	}
	withLayer(t, blob, func(r io.Reader) error {
		for archive := tar.NewReader(r); ; {
			h, err := archive.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			content, err := io.ReadAll(archive)
			if err != nil {
				return err
			}
			out = append(out, entryOf(h, content))
		}
	})
	if len(out) > 200 {
		layersRead.Store(d, out)
	}
	return out
}

// entryOf describes a header in the way that picture describes a file.
func entryOf(h *tar.Header, content []byte) layerEntry {
	e := layerEntry{name: path.Clean("/" + h.Name)}
	switch {
	case h.Typeflag == tar.TypeLink:
		e.link = path.Clean("/" + h.Linkname)
		return e
	case strings.HasPrefix(path.Base(e.name), ".wh."):
		return e
	}
	text := fmt.Sprintf("%c %o %d:%d", h.Typeflag, h.Mode, h.Uid, h.Gid)
	switch h.Typeflag {
	case tar.TypeReg:
		text += fmt.Sprintf(" %d %.6x", len(content), sha256.Sum256(content))
		if len(content) < 60 {
			text += fmt.Sprintf(" %q", content)
		}
	case tar.TypeSymlink:
		text += " -> " + h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		text += fmt.Sprintf(" device %d:%d", h.Devmajor, h.Devminor)
	}
	// Times of directories are ignored: see differences-random.txt.
	if h.ModTime.Before(old) && h.Typeflag != tar.TypeDir {
		text += " " + h.ModTime.UTC().Format(time.DateOnly)
	}
	for _, x := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if name, ok := strings.CutPrefix(x, "SCHILY.xattr."); ok {
			text += fmt.Sprintf(" %s=%q", name, h.PAXRecords[x])
		}
	}
	e.file = &layerFile{text, h.Typeflag == tar.TypeDir}
	return e
}
