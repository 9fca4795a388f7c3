// Package tree computes what the layers of an image do to its files: which layer a file comes from,
// which later layer hides it, and the difference between two layers. It is pure: its input is the
// comparison of each layer with those below it.
//
//	tree.go   layers → which files are hidden; the tree after each layer
//	views.go  the trees that are shown: a layer, all files, a difference
package tree

import (
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/image/layer"
)

// An Image is a stack of layers, lowest first.
type Image struct{ layers []*layer.Difference }

// New returns an image with these layers. In their files, it notes which later layer hides each.
func New(layers []*layer.Difference) *Image {
	i := &Image{layers}
	root := &entry{}
	for n := range layers {
		i.apply(root, n)
	}
	return i
}

// Layers returns the number of layers.
func (i *Image) Layers() int { return len(i.layers) }

// Bytes returns the size of all layers, and how much of it is wasted by files that a later layer
// changes or removes.
func (i *Image) Bytes() (total, wasted int64) {
	for _, l := range i.layers {
		total += l.Bytes
		wasted += l.Wasted
	}
	return total, wasted
}

// Efficiency returns the share of the layers' size that a container sees, in percent.
func (i *Image) Efficiency() float64 {
	total, wasted := i.Bytes()
	if total == 0 {
		return 100
	}
	return 100 * float64(total-wasted) / float64(total)
}

// entry is a path in the tree that a container sees.
type entry struct {
	children map[string]*entry
	file     *layer.Change // nil for a directory that no layer lists
	layer    int           // the number of the layer that it comes from, counted from 1
}

// find returns the entry at an absolute path. If it does not exist, it is created if create is set,
// and nil otherwise.
func (e *entry) find(path string, create bool) *entry {
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		next := e.children[name]
		if next == nil {
			if !create {
				return nil
			}
			if e.children == nil {
				e.children = map[string]*entry{}
			}
			next = &entry{}
			e.children[name] = next
		}
		e = next
	}
	return e
}

// hide notes that a layer hides everything in a subtree.
func (e *entry) hide(by int) {
	if e.file != nil && e.layer != by {
		e.file.HiddenBy = by
	}
	for _, c := range e.children {
		c.hide(by)
	}
}

// apply puts layer n, counted from 0, on top of a tree.
func (i *Image) apply(root *entry, n int) {
	number := n + 1
	for f := range i.layers[n].Files {
		c := &i.layers[n].Files[f]
		switch {
		case c.What == layer.Removed:
			if e := root.find(c.Path, false); e != nil {
				e.hide(number)
				root.remove(c.Path)
			}
		case c.What == layer.Parent:
		default:
			e := root.find(c.Path, true)
			if !c.Dir || c.Replaces {
				e.hide(number)
				e.children = nil
			} else if e.file != nil && !e.file.Dir {
				e.hide(number)
			}
			e.file, e.layer = c, number
		}
	}
}

// remove removes an entry that exists.
func (e *entry) remove(path string) {
	dir, name := "", strings.Trim(path, "/")
	if slash := strings.LastIndexByte(name, '/'); slash >= 0 {
		dir, name = name[:slash], name[slash+1:]
		e = e.find(dir, false)
	}
	delete(e.children, name)
}

// after returns the tree after the first n layers.
func (i *Image) after(n int) *entry {
	root := &entry{}
	for l := range n {
		i.apply(root, l)
	}
	return root
}

// A WastedFile is a path whose content in some layers is hidden.
type WastedFile struct {
	Path  string
	Bytes int64
	Times int // in how many layers
}

// Wasted returns the paths that waste the most, largest first.
func (i *Image) Wasted() []WastedFile {
	found := map[string]*WastedFile{}
	var out []*WastedFile
	for _, l := range i.layers {
		for _, c := range l.Files {
			if c.HiddenBy == 0 || c.Size == 0 {
				continue
			}
			w := found[c.Path]
			if w == nil {
				w = &WastedFile{Path: c.Path}
				found[c.Path] = w
				out = append(out, w)
			}
			w.Bytes += c.Size
			w.Times++
		}
	}
	slices.SortFunc(out, func(a, b *WastedFile) int {
		if a.Bytes != b.Bytes {
			return int(min(1, max(-1, b.Bytes-a.Bytes)))
		}
		return strings.Compare(a.Path, b.Path)
	})
	list := make([]WastedFile, len(out))
	for n, w := range out {
		list[n] = *w
	}
	return list
}
