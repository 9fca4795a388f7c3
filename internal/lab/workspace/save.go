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
		if !d.Type().IsRegular() || strings.HasSuffix(rel, savedSuffix) || rel == "minirun" || sameFile(name, filepath.Join(w.start(), rel)) {
			return nil
		}
		return os.Rename(name, w.savedName(rel))
	})
	return err
}

// savedName returns the path under which a file is saved.
func (w *Workspace) savedName(rel string) string {
	for _, b := range w.Lab.Bundles {
		root := filepath.Join(b.Dir, "rootfs")
		if below, ok := strings.CutPrefix(rel, root+"/"); ok {
			path := filepath.Join(w.Dir(), root+savedSuffix, below)
			_ = os.MkdirAll(filepath.Dir(path), 0o755) // an error of the renaming says why
			return path
		}
	}
	return filepath.Join(w.Dir(), rel+savedSuffix)
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
