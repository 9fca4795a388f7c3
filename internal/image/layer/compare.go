package layer

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/image"
)

// A Difference is what a layer does to those below it.
type Difference struct {
	Added   int   `json:"added"`
	Changed int   `json:"changed"`
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"`  // of regular files in the layer
	Wasted  int64 `json:"wasted"` // of regular files below that this layer hides

	Files []Change `json:"files"`
}

// A Change is a file of a layer. A directory that is only there to hold others is
// "on the way".
type Change struct {
	Path string `json:"path"`
	What string `json:"what"` // "added", "changed", "removed" or "on the way"
	Dir  bool   `json:"dir,omitempty"`
	Size int64  `json:"size,omitempty"`
}

// Compare says what an unpacked layer changes of those below it, lowest first.
func Compare(dir string, below []string) (*Difference, error) {
	a := &applier{o: Options{Parents: below}}
	d := &Difference{Files: []Change{}}
	links := map[uint64]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		at := strings.TrimPrefix(path, dir+"/")
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		lower, was := a.below(at)
		return d.add(a, path, at, &st, lower, was, links)
	})
	return d, err
}

func (d *Difference) add(a *applier, path, at string, st *unix.Stat_t, lower string, was *unix.Stat_t, links map[uint64]bool) error {
	kind := st.Mode & unix.S_IFMT
	c := Change{Path: "/" + at, What: "added", Dir: kind == unix.S_IFDIR}
	wasDir := was != nil && was.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case image.IsWhiteout(st):
		c.What, c.Dir = "removed", wasDir
	case c.Dir && wasDir && !image.IsOpaque(path):
		c.What = "on the way"
		if st.Mode != was.Mode || st.Uid != was.Uid || st.Gid != was.Gid {
			c.What = "changed"
		}
	case was != nil:
		c.What = "changed"
	}
	switch c.What {
	case "added":
		d.Added++
	case "changed":
		d.Changed++
	case "removed":
		d.Removed++
	}
	if kind == unix.S_IFREG {
		c.Size = st.Size
		if !links[st.Ino] {
			d.Bytes += st.Size
		}
		links[st.Ino] = st.Nlink > 1
	}
	d.Files = append(d.Files, c)
	if was == nil || kind == unix.S_IFDIR && wasDir && !image.IsOpaque(path) {
		return nil
	}
	return d.waste(a, at, lower, was)
}

// waste counts the files below that a whiteout, a file or an opaque directory
// hides.
func (d *Difference) waste(a *applier, at, lower string, was *unix.Stat_t) error {
	if was.Mode&unix.S_IFMT == unix.S_IFREG {
		d.Wasted += was.Size
	}
	if was.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	counted := map[string]bool{}
	for _, p := range a.o.Parents {
		err := filepath.WalkDir(filepath.Join(p, at), func(path string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			name := strings.TrimPrefix(path, p+"/")
			if seen, st := a.below(name); st != nil && !counted[name] && st.Mode&unix.S_IFMT == unix.S_IFREG && seen != "" {
				counted[name] = true
				d.Wasted += st.Size
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
	}
	return nil
}
