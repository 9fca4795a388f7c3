package contenthash

import (
	"path"
	"strings"

	"github.com/moby/patternmatcher"
)

// A walk adds the files that one match refers to.
type walk struct {
	t       *Tree
	o       Options
	s       *Selection
	exclude *patternmatcher.PatternMatcher
	source  string // the match
	cut     string // --parents: the prefix removed from the names
	base    string // the path that names are relative to
	real    string // source, with links resolved
	pending []File
}

// addMatch adds the match: a file, or the content of a directory.
func (w *walk) addMatch() error {
	if err := w.resolve(); err != nil {
		return err
	}
	st, err := w.t.lstat(w.real)
	if err != nil {
		return err
	}
	name := path.Base(w.source)
	if w.o.Parents {
		name = strings.TrimPrefix(strings.TrimPrefix(w.source, w.cut), "/")
		if name == "" {
			name = "."
		}
		if err := w.addParents(name); err != nil {
			return err
		}
	} else if isDir(&st) {
		name = "."
	}
	f := File{Path: w.real, Name: name, Stat: st, IsSource: !isDir(&st) && !w.o.Parents}
	if !isDir(&st) {
		if !w.isExcluded(name) {
			w.add(f)
		}
		return nil
	}
	w.base = name
	if !w.isExcluded(name) {
		return w.addDirectory(f, false)
	}
	if !w.exclude.Exclusions() {
		return nil
	}
	return w.addDirectory(f, true)
}

// addParents adds the directories on a source's path, starting with the one that becomes the
// destination.
func (w *walk) addParents(name string) error {
	if w.cut != "" && name != "." {
		st, err := w.t.lstat(w.cut)
		if err != nil {
			return err
		}
		w.pending = append(w.pending, File{Path: w.cut, Name: ".", Stat: st})
	}
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	at := ""
	for part := range strings.SplitSeq(dir, "/") {
		at = path.Join(at, part)
		st, err := w.t.lstat(path.Join(w.cut, at))
		if err != nil || !isDir(&st) {
			continue
		}
		w.pending = append(w.pending, File{Path: path.Join(w.cut, at), Name: at, Stat: st, OnPath: true})
	}
	return nil
}

// resolve finds the file that the source refers to. A symbolic link refers to its target,
// except with --parents, which keeps the link's own path, so it refers to itself.
func (w *walk) resolve() error {
	if st, err := w.t.lstat(w.source); err == nil && isLink(&st) && w.o.Parents && !w.o.Resolve {
		w.real = w.source
		return nil
	}
	var err error
	if w.real, err = w.t.follow(w.source); err != nil {
		if st, lerr := w.t.lstat(w.source); lerr == nil && isLink(&st) {
			all := *w.t
			all.Ignored = nil
			_, gone := all.follow(w.source)
			return &NotFoundError{Pattern: w.source, Label: w.t.Label, Link: true, Ignored: gone == nil}
		}
	}
	return err
}

// isExcluded checks a name relative to the source. With --parents it is relative to the start of
// the names that are kept, as in BuildKit.
func (w *walk) isExcluded(rel string) bool {
	if w.exclude == nil || rel == "." {
		return false
	}
	out, err := w.exclude.MatchesOrParentMatches(rel)
	return err == nil && out
}

// addDirectory adds a directory with its content. An excluded directory is added only if
// something in it is included.
func (w *walk) addDirectory(f File, hidden bool) error {
	depth := len(w.pending)
	w.pending = append(w.pending, f)
	if !hidden {
		w.flush()
		depth = 0
	}
	entries, err := w.t.entries(f.Path)
	if err != nil {
		return err
	}
	for i := range entries {
		if err := w.addChild(f, &entries[i]); err != nil {
			return err
		}
	}
	if len(w.pending) > depth && hidden {
		w.pending = w.pending[:depth]
	}
	return nil
}

// add adds a file, after the directories that lead to it.
func (w *walk) add(f File) {
	w.flush()
	w.s.add(f)
}

// flush adds the pending parent directories.
func (w *walk) flush() {
	for _, f := range w.pending {
		w.s.add(f)
	}
	w.pending = w.pending[:0]
}

func (w *walk) addChild(dir File, e *entry) error {
	at, st := path.Join(dir.Path, e.name), e.stat
	hidden, prune := false, false
	if w.t.Ignored != nil {
		hidden, prune = w.t.Ignored(at, isDir(&st))
	}
	f := File{Path: at, Name: path.Join(dir.Name, e.name), Stat: st}
	if w.isExcluded(f.Name) {
		hidden = true
		prune = prune || !w.exclude.Exclusions()
	}
	switch {
	case isDir(&st) && hidden && prune:
		return nil
	case isDir(&st):
		return w.addDirectory(f, hidden)
	case hidden:
		return nil
	}
	w.add(f)
	return nil
}
