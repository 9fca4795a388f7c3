package layer

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// A Difference describes what a layer changes in the layers below it.
type Difference struct {
	Added   int   `json:"added"`
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"`  // of regular files in the layer
	Wasted  int64 `json:"wasted"` // of regular files in lower layers that this layer hides

	Files []Change `json:"files"`
}

// A ChangeKind is what a layer does with a file.
type ChangeKind string

// The kinds of changes. A directory that only holds other files is a Parent.
const (
	Added   ChangeKind = "added"
	Changed ChangeKind = "changed"
	Removed ChangeKind = "removed"
	Parent  ChangeKind = "on the way"
)

// A Change is a file in a layer.
type Change struct {
	Path     string     `json:"path"`
	What     ChangeKind `json:"what"`
	Dir      bool       `json:"dir,omitempty"`
	Size     int64      `json:"size,omitempty"`
	Replaces bool       `json:"replaces,omitempty"` // a directory that hides the content of the one below
	HiddenBy int        `json:"hiddenBy,omitempty"` // the number of the later layer that hides it: see package tree
}

// Merged is the tree that a container would see of the layers added so far, lowest first. Comparing
// a layer with it takes time proportional to the files of that layer, regardless of the number of
// lower layers.
type Merged struct{ root node }

// node is a file in a tree, with the attributes that are compared and its children.
type node struct {
	mode, uid, gid uint32
	size           int64
	children       map[string]*node
}

func (n *node) isDir() bool { return n.mode&unix.S_IFMT == unix.S_IFDIR }

// find returns the node at a clean relative path, or nil if there is none.
func (t *Merged) find(path string) *node {
	n := &t.root
	for part := range strings.SplitSeq(path, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n
}

// bytes returns the total size of the regular files in a subtree.
func (n *node) bytes() (sum int64) {
	if n.mode&unix.S_IFMT == unix.S_IFREG {
		return n.size
	}
	for _, c := range n.children {
		sum += c.bytes()
	}
	return sum
}

// layerFile is a file in a layer.
type layerFile struct {
	path   string // clean, relative to the layer
	st     unix.Stat_t
	opaque bool
}

// filesOf lists the files of an unpacked layer, each directory before its contents.
func filesOf(dir string) (files []layerFile, err error) {
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		f := layerFile{path: strings.TrimPrefix(path, dir+"/")}
		if err := unix.Lstat(path, &f.st); err != nil {
			return &fs.PathError{Op: "lstat", Path: path, Err: err}
		}
		f.opaque = f.st.Mode&unix.S_IFMT == unix.S_IFDIR && image.IsOpaque(path)
		files = append(files, f)
		return nil
	})
	return files, err
}

// Add puts an unpacked layer on top and returns what it changes.
func (t *Merged) Add(dir string) (*Difference, error) {
	files, err := filesOf(dir)
	if err != nil {
		return nil, err
	}
	d := compare(files, t)
	for i := range files {
		t.put(&files[i])
	}
	return d, nil
}

// put applies a file of the next layer, whose directory is already there.
func (t *Merged) put(f *layerFile) {
	parent := &t.root
	dir, name := filepath.Split(f.path)
	if dir != "" {
		parent = t.find(strings.TrimSuffix(dir, "/"))
	}
	if image.IsWhiteout(&f.st) {
		delete(parent.children, name)
		return
	}
	n := &node{mode: f.st.Mode, uid: f.st.Uid, gid: f.st.Gid, size: f.st.Size}
	if was := parent.children[name]; was != nil && was.isDir() && n.isDir() && !f.opaque {
		n.children = was.children
	}
	if parent.children == nil {
		parent.children = map[string]*node{}
	}
	parent.children[name] = n
}

// Compare returns what an unpacked layer changes in those below it, lowest first. It only looks at
// the paths that the layer contains. For a single layer, this is less work than building a Merged
// tree of all.
func Compare(dir string, below []string) (*Difference, error) {
	files, err := filesOf(dir)
	if err != nil {
		return nil, err
	}
	t := &Merged{root: node{mode: unix.S_IFDIR}}
	for i := range files {
		if err := t.addLower(&files[i], below); err != nil {
			return nil, err
		}
	}
	return compare(files, t), nil
}

// addLower adds what the lower layers have at the path of a file to the tree, including the content of
// a directory that the file hides.
func (t *Merged) addLower(f *layerFile, below []string) error {
	_, st := image.Stack(below).Lookup(f.path)
	if st == nil {
		return nil
	}
	t.fill(f.path, st)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || f.st.Mode&unix.S_IFMT == unix.S_IFDIR && !f.opaque {
		return nil
	}
	for _, layer := range below {
		err := filepath.WalkDir(filepath.Join(layer, f.path), func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(path, layer+"/")
			if _, st := image.Stack(below).Lookup(name); st != nil {
				t.fill(name, st)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
	}
	return nil
}

// fill adds a file and its parent directories to the tree.
func (t *Merged) fill(path string, st *unix.Stat_t) {
	n := &t.root
	for part := range strings.SplitSeq(path, "/") {
		if n.children == nil {
			n.children = map[string]*node{}
		}
		if n.children[part] == nil {
			n.children[part] = &node{mode: unix.S_IFDIR}
		}
		n = n.children[part]
	}
	n.mode, n.uid, n.gid, n.size = st.Mode, st.Uid, st.Gid, st.Size
}

// compare returns how the files of a layer change the tree below.
func compare(files []layerFile, below *Merged) *Difference {
	d := &Difference{Files: make([]Change, 0, len(files))}
	links := map[uint64]bool{}
	replaced := "" // a directory of the layer that hides everything in the one below
	for i := range files {
		f := &files[i]
		was := below.find(f.path)
		c := f.change(was)
		d.count(c.What)
		if f.st.Mode&unix.S_IFMT == unix.S_IFREG {
			c.Size = f.st.Size
			if !links[f.st.Ino] {
				d.Bytes += f.st.Size
			}
			links[f.st.Ino] = f.st.Nlink > 1
		}
		d.Files = append(d.Files, c)
		isDir := f.st.Mode&unix.S_IFMT == unix.S_IFDIR
		if was == nil || isDir && was.isDir() && !f.opaque || replaced != "" && strings.HasPrefix(f.path, replaced) {
			continue
		}
		d.Wasted += was.bytes()
		if isDir {
			replaced = f.path + "/"
		}
	}
	return d
}

// change classifies a file of a layer against the node that was there.
func (f *layerFile) change(was *node) Change {
	c := Change{Path: "/" + f.path, What: Added, Dir: f.st.Mode&unix.S_IFMT == unix.S_IFDIR}
	wasDir := was != nil && was.isDir()
	switch {
	case image.IsWhiteout(&f.st):
		c.What, c.Dir = Removed, wasDir
	case c.Dir && wasDir && !f.opaque:
		c.What = Parent
		if f.st.Mode != was.mode || f.st.Uid != was.uid || f.st.Gid != was.gid {
			c.What = Changed
		}
	case was != nil:
		c.What, c.Replaces = Changed, c.Dir && wasDir
	}
	return c
}

func (d *Difference) count(what ChangeKind) {
	switch what {
	case Added:
		d.Added++
	case Changed:
		d.Changed++
	case Removed:
		d.Removed++
	}
}
