package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/container/control"
	"github.com/minirun/minirun/internal/container/record"
)

// This file examines stacks of layers: which layer a path comes from, and what a
// container has written (filesystems/overlayfs.rst).

// A Stack is the list of directories that an overlay consists of.
type Stack struct {
	Lower []string // read-only, lowest first
	Upper string   // where writes go; "" if there is no overlay, or nothing has been written yet
}

// Kind is the kind of file that a layer has at a path.
type Kind string

const (
	Nothing  Kind = "-"
	File     Kind = "file"
	Link     Kind = "link"
	Dir      Kind = "directory"
	Opaque   Kind = "opaque directory" // hides the directories below it
	Whiteout Kind = "whiteout"         // hides what is below it
	Other    Kind = "special file"
)

// A Layer is one directory of a stack, with the number of its files.
type Layer struct {
	Number    int    `json:"number"` // 1 is the lowest
	Path      string `json:"path"`
	Role      string `json:"role"` // "lower" or "upper"
	Files     int    `json:"files"`
	Bytes     int64  `json:"bytes"`
	Whiteouts int    `json:"whiteouts"`
	Opaque    int    `json:"opaque"`
}

// FindStack finds the stack of a container with this name, or else of a bundle.
func FindStack(root, name string) (*Stack, error) {
	if record.CheckID(name) == nil {
		lower, upper, err := control.ContainerLayers(root, name)
		if err == nil {
			return &Stack{lower, upper}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || !isBundle(name) {
			return nil, err
		}
	}
	lower, err := control.BundleLayers(name)
	return &Stack{Lower: lower}, err
}

func isBundle(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "config.json"))
	return err == nil
}

// Layers counts the files in each layer, the lowest first.
func (s *Stack) Layers() ([]Layer, error) {
	var out []Layer
	for i, dir := range s.directories() {
		l := Layer{Number: i + 1, Path: dir, Role: "lower"}
		if dir == s.Upper {
			l.Role = "upper"
		}
		err := walkLayer(dir, func(_ string, k Kind, size int64) error {
			switch k {
			case Whiteout:
				l.Whiteouts++
			case Opaque:
				l.Opaque++
			case Dir:
			default:
				l.Files, l.Bytes = l.Files+1, l.Bytes+size
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("layer %s: %w", dir, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// directories returns the layers, lowest first.
func (s *Stack) directories() []string {
	dirs := slices.Clone(s.Lower)
	if s.Upper != "" {
		dirs = append(dirs, s.Upper)
	}
	return dirs
}

// A LayerFile is the file that a layer has at a path, and whether it is the one that
// is visible in the container.
type LayerFile struct {
	Number int    `json:"number"`
	Layer  string `json:"layer"`
	Kind   Kind   `json:"kind"`
	Seen   bool   `json:"seen"`
	Why    string `json:"why,omitempty"` // why it is not visible
}

// Find looks up an absolute path of the container in each layer, topmost first.
// Nothing in a layer leads out of it.
func (s *Stack) Find(name string) ([]LayerFile, error) {
	rel := strings.TrimPrefix(path.Clean("/"+name), "/")
	if rel == "" {
		rel = "."
	}
	var out []LayerFile
	hidden, merged := "", false
	all := s.directories()
	for i := len(all) - 1; i >= 0; i-- {
		k, above, err := findInLayer(all[i], rel)
		if err != nil {
			return nil, err
		}
		v := LayerFile{Number: i + 1, Layer: all[i], Kind: k}
		isDir := k == Dir || k == Opaque
		switch {
		case k == Nothing || k == Whiteout:
		case hidden != "":
			v.Why = hidden
		case merged && !isDir:
			v.Why = "a directory above it"
		default:
			v.Seen = true
		}
		out = append(out, v)
		switch {
		case hidden != "":
		case above != "":
			hidden = fmt.Sprintf("%s in layer %d hides what is below", above, i+1)
		case k == Whiteout, k == Opaque:
			hidden = fmt.Sprintf("the %s in layer %d", k, i+1)
		case k != Nothing && !isDir:
			hidden = fmt.Sprintf("the %s in layer %d", k, i+1)
		}
		merged = merged || isDir
	}
	return out, nil
}

// findInLayer returns what a layer has at a path, and which of its parents there hides lower
// layers: a whiteout, an opaque directory, or a file that is not a directory.
func findInLayer(layer, rel string) (k Kind, above string, err error) {
	t, err := openTree(layer)
	if errors.Is(err, fs.ErrNotExist) {
		return Nothing, "", nil // an upper directory that was deleted with its container
	}
	if err != nil {
		return Nothing, "", fmt.Errorf("layer: %w", err)
	}
	defer t.close()
	parts := strings.Split(rel, "/")
	for i := range parts {
		name := strings.Join(parts[:i+1], "/")
		if k, _ = t.stat(name); k == Nothing {
			return Nothing, above, nil
		}
		if i+1 < len(parts) && k != Dir {
			above = "/" + name
			if k != Opaque {
				return Nothing, above, nil
			}
		}
	}
	return k, above, nil
}

// A Written is a change that a container has made to its files.
type Written struct {
	What string `json:"what"` // "new", "changed" or "deleted"
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	Size int64  `json:"size"`
}

// Changes lists the contents of the upper directory: files that the container has
// created, changed (which copies the whole file up) or deleted (a whiteout).
func (s *Stack) Changes() ([]Written, error) {
	return s.written(func(w Written) ([]Written, error) {
		if w.What == parentOfChanges {
			return nil, nil
		}
		return []Written{w}, nil
	})
}

// parentOfChanges is a directory in the upper directory that the layers below have too.
const parentOfChanges = "parent"

// written calls convert for each file in the upper directory, and returns all results.
func (s *Stack) written(convert func(Written) ([]Written, error)) ([]Written, error) {
	if s.Upper == "" {
		return nil, nil
	}
	lower := &Stack{Lower: s.Lower}
	var out []Written
	err := walkLayer(s.Upper, func(rel string, k Kind, size int64) error {
		w := Written{"new", "/" + rel, k, size}
		below, err := lower.Find(w.Path)
		if err != nil {
			return err
		}
		there := slices.ContainsFunc(below, func(v LayerFile) bool { return v.Seen })
		switch {
		case k == Whiteout:
			w.What = "deleted"
		case there && k == Dir:
			w.What = parentOfChanges
		case there:
			w.What = "changed"
		}
		converted, err := convert(w)
		out = append(out, converted...)
		return err
	})
	return out, err
}
