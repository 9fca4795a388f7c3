package tree

import (
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/image/layer"
)

// A State is how a file differs from what was there before.
type State uint8

// The states of a file.
const (
	Unchanged State = iota
	Added
	Changed
	Removed
)

// A Node is a file in a tree that is shown.
type Node struct {
	Name     string
	Path     string
	Dir      bool
	Size     int64 // of a directory: of the files in it that are not removed
	State    State
	Layer    int // the number of the layer that it comes from; 0 for a directory that no layer lists
	HiddenBy int // the number of the later layer that hides it, or 0
	Children []*Node
}

var stateOf = map[layer.ChangeKind]State{
	layer.Added: Added, layer.Changed: Changed, layer.Removed: Removed, layer.Parent: Unchanged,
}

// Layer returns the files of one layer, counted from 1.
func (i *Image) Layer(number int) *Node {
	root := &Node{Dir: true}
	for n := range i.layers[number-1].Files {
		c := &i.layers[number-1].Files[n]
		root.put(c, stateOf[c.What], number)
	}
	root.finish()
	return root
}

// Merged returns all files that a container would see after a layer, and those that this layer removes.
func (i *Image) Merged(number int) *Node {
	root := &Node{Dir: true}
	i.after(number).each("", func(_ string, e *entry) {
		state := Unchanged
		if e.layer == number {
			state = stateOf[e.file.What]
		}
		root.put(e.file, state, e.layer)
	})
	for n := range i.layers[number-1].Files {
		if c := &i.layers[number-1].Files[n]; c.What == layer.Removed {
			root.put(c, Removed, number)
		}
	}
	root.finish()
	return root
}

// Difference returns the files in which the tree after one layer differs from that after an earlier one.
func (i *Image) Difference(from, to int) *Node {
	root := &Node{Dir: true}
	before, after := map[string]*entry{}, i.after(to)
	i.after(from).each("", func(path string, e *entry) { before[path] = e })
	after.each("", func(path string, e *entry) {
		was := before[path]
		delete(before, path)
		switch {
		case was == nil:
			root.put(e.file, Added, e.layer)
		case was.layer != e.layer:
			root.put(e.file, Changed, e.layer)
		}
	})
	for _, e := range before {
		root.put(e.file, Removed, e.layer)
	}
	root.finish()
	return root
}

// each calls do for each file of a tree.
func (e *entry) each(path string, do func(path string, e *entry)) {
	if e.file != nil {
		do(path, e)
	}
	for name, c := range e.children {
		c.each(path+"/"+name, do)
	}
}

// put adds a file, and the directories above it.
func (n *Node) put(c *layer.Change, state State, number int) {
	at, path := n, ""
	for name := range strings.SplitSeq(strings.Trim(c.Path, "/"), "/") {
		path += "/" + name
		at = at.child(name, path)
	}
	at.Dir, at.Size, at.State, at.Layer, at.HiddenBy = c.Dir, c.Size, state, number, c.HiddenBy
}

// child returns the child of a directory with a name, and creates it if it does not exist. Children are
// sorted by name.
func (n *Node) child(name, path string) *Node {
	at, found := slices.BinarySearchFunc(n.Children, name, func(c *Node, name string) int {
		return strings.Compare(c.Name, name)
	})
	if found {
		return n.Children[at]
	}
	c := &Node{Name: name, Path: path, Dir: true}
	n.Children = slices.Insert(n.Children, at, c)
	return c
}

// finish adds up the sizes of directories.
func (n *Node) finish() {
	if len(n.Children) > 0 {
		n.Size = 0
	}
	for _, c := range n.Children {
		c.finish()
		if c.State != Removed {
			n.Size += c.Size
		}
	}
}
