package workspace

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// savedSuffix is that of the files that the learner changed, after a reset.
const savedSuffix = ".bak"

// saveChanges renames each file in the learner's directory that is not as in the start state. Those in a
// generated root file system go to a directory next to it.
func (w *Workspace) saveChanges() error {
	err := filepath.WalkDir(w.Dir(), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(w.Dir(), name)
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasSuffix(rel, savedSuffix) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || strings.HasSuffix(rel, savedSuffix) || rel == "minirun" || sameFile(name,
			filepath.Join(w.start(), rel)) {
			return nil
		}
		return os.Rename(name, w.savedName(rel))
	})
	return err
}

// savedName returns the path under which a file is saved. A file in a directory of a bundle (the root file
// system, a layer) is moved to a directory next to it: a container would see it there.
func (w *Workspace) savedName(rel string) string {
	for _, b := range w.Lab.Bundles {
		name, ok := strings.CutPrefix(rel, b.Dir+"/")
		if !ok {
			continue
		}
		if dir, below, ok := strings.Cut(name, "/"); ok {
			path := filepath.Join(w.Dir(), b.Dir, dir+savedSuffix, below)
			_ = os.MkdirAll(filepath.Dir(path), 0o755) // an error of the renaming says why
			return path
		}
	}
	return filepath.Join(w.Dir(), rel+savedSuffix)
}

// removeLeftovers removes what is not in the start state and is not saved: links, devices, sockets, and
// directories that are empty.
func (w *Workspace) removeLeftovers() error {
	var dirs []string
	err := filepath.WalkDir(w.Dir(), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(w.Dir(), name)
		if err != nil {
			return err
		}
		if strings.HasSuffix(rel, savedSuffix) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if _, err := os.Lstat(filepath.Join(w.start(), rel)); err == nil {
			return nil
		}
		if d.IsDir() {
			dirs = append(dirs, name)
			return nil
		}
		return os.Remove(name)
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		_ = os.Remove(dirs[i]) // those with saved files stay
	}
	return err
}

// sameFile reports whether two files have the same content.
func sameFile(a, b string) bool {
	one, err := os.Lstat(a)
	other, missing := os.Lstat(b)
	if err != nil || missing != nil || one.Size() != other.Size() || one.Mode() != other.Mode() {
		return false
	}
	first, err := os.ReadFile(a)
	second, failed := os.ReadFile(b)
	return err == nil && failed == nil && bytes.Equal(first, second)
}

// removeStartState removes what is not saved, and directories that become empty.
func (w *Workspace) removeStartState() error {
	var dirs []string
	err := filepath.WalkDir(w.Dir(), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasSuffix(name, savedSuffix):
			return fs.SkipDir
		case d.IsDir():
			dirs = append(dirs, name)
			return nil
		case strings.HasSuffix(name, savedSuffix):
			return nil
		}
		return os.Remove(name)
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		_ = os.Remove(dirs[i]) // those with saved files stay
	}
	return err
}
