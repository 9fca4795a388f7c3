package inspect

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Diff lists what a container has changed, with the directories that hold changes, by path. Files of
// the layers below that an opaque directory hides are deleted.
func (s *Stack) Diff() ([]Written, error) {
	lower := &Stack{Lower: s.Lower}
	out, err := s.written(func(w Written) ([]Written, error) {
		switch {
		case w.What == parentOfChanges:
			w.What = "changed"
		case w.What == "changed" && w.Kind == Opaque:
			hidden, err := lower.visibleNames(w.Path)
			if err != nil {
				return nil, err
			}
			return append(s.deleted(w.Path, hidden), w), nil
		}
		return []Written{w}, nil
	})
	slices.SortFunc(out, func(a, b Written) int { return cmp.Compare(a.Path, b.Path) })
	return out, err
}

// WithoutMountPoints leaves out the files and directories that the runtime created to mount something
// on them, and the directories that hold no other changes.
func WithoutMountPoints(changes []Written, mounts []specs.Mount) (out []Written) {
	isTarget, holds := map[string]bool{}, map[string]bool{}
	for _, m := range mounts {
		isTarget[path.Clean(m.Destination)] = true
	}
	emptied := map[string]bool{} // directories with mount points
	for _, c := range changes {
		if c.What == "new" && isTarget[c.Path] {
			emptied[path.Dir(c.Path)] = true
			continue
		}
		for at := path.Dir(c.Path); at != "/" && !holds[at]; at = path.Dir(at) {
			holds[at] = true
		}
	}
	for _, c := range changes {
		switch {
		case c.What == "new" && isTarget[c.Path] && !holds[c.Path]:
		case c.What == "changed" && emptied[c.Path] && !holds[c.Path]:
		default:
			out = append(out, c)
		}
	}
	return out
}

// deleted returns the names of a directory that the upper directory does not have.
func (s *Stack) deleted(dir string, names []string) (out []Written) {
	upper := &Stack{Lower: []string{s.Upper}}
	for _, name := range names {
		at := path.Join(dir, name)
		found, err := upper.Find(at)
		if err == nil && len(found) == 1 && found[0].Kind == Nothing {
			out = append(out, Written{What: "deleted", Path: at, Kind: Whiteout})
		}
	}
	return out
}

// visibleNames returns the names in a directory of the merged layers.
func (s *Stack) visibleNames(dir string) ([]string, error) {
	seen := map[string]bool{}
	var out []string
	for _, layer := range s.directories() {
		t, err := openTree(layer)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names, err := t.names(path.Join(".", dir))
		t.close()
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			found, err := s.Find(path.Join(dir, name))
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(found, func(f LayerFile) bool { return f.Seen }) {
				out = append(out, name)
			}
		}
	}
	return out, nil
}
