package contenthash

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/regularfile"
)

// Options control which files of the sources are selected.
type Options struct {
	Exclude []string // patterns, as in .dockerignore, relative to each source; with Parents to /./ or the root
	Parents bool     // the sources' own paths are kept, after /./ if there is one
	Resolve bool     // Parents: a source that is a symbolic link is replaced by its target
}

// A File is a selected file.
type File struct {
	Path     string // clean, relative to the tree's root
	Name     string // destination, relative to that of the copy; "." is the destination itself
	IsSource bool   // it is the source itself: a destination without / becomes its name
	OnPath   bool   // a directory that only leads to a source: it keeps its own time
	Stat     unix.Stat_t

	Source int // number of the source: one per match, or with --parents one per pattern
}

// HasLinks reports whether a copy of the file's source preserves hard links.
func (f *File) HasLinks() bool {
	return f.Stat.Nlink > 1 && f.Stat.Mode&unix.S_IFMT == unix.S_IFREG && !f.IsSource
}

// A Selection is the list of selected files, in the order in which they are copied.
type Selection struct {
	Tree  *Tree
	Files []File
	Named bool // a source was not expanded from wildcards before /./: its destination is always created

	sources int
	names   map[string]bool // --parents: the names found in the source; matches may overlap
}

// add adds a file of the current source.
func (s *Selection) add(f File) {
	if s.names[f.Name] {
		return
	}
	if s.names != nil {
		s.names[f.Name] = true
	}
	f.Source = s.sources
	s.Files = append(s.Files, f)
}

const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// open opens a path of the tree. No component may be a symbolic link.
func (t *Tree) open(name string, flags int) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_NOFOLLOW, Resolve: beneath}
	fd, err := regularfile.Openat2(int(t.Root.Fd()), name, &how)
	if err != nil {
		return -1, &os.PathError{Op: "open in " + t.Label, Path: name, Err: err}
	}
	return fd, nil
}

func (t *Tree) lstat(name string) (st unix.Stat_t, err error) {
	fd, err := t.open(name, unix.O_PATH)
	if err != nil {
		return st, err
	}
	defer func() { _ = unix.Close(fd) }()
	return st, unix.Fstat(fd, &st)
}

func isDir(st *unix.Stat_t) bool  { return st.Mode&unix.S_IFMT == unix.S_IFDIR }
func isLink(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFLNK }

// listNames returns the entries of a directory, sorted.
func (t *Tree) listNames(dir string) ([]string, error) {
	fd, err := t.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	names, err := readNames(f)
	return names, errors.Join(err, f.Close())
}

// readNames lists a directory, sorted. A removed directory, such as the file system of FROM
// scratch, is treated as empty.
func readNames(dir *os.File) ([]string, error) {
	names, err := dir.Readdirnames(-1)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	slices.Sort(names)
	return names, err
}

// An entry is a file of a directory.
type entry struct {
	name string
	stat unix.Stat_t
}

// entries returns the sorted entries of a directory, and looks up the directory only once.
func (t *Tree) entries(dir string) ([]entry, error) {
	fd, err := t.open(dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer func() { _ = f.Close() }()
	names, err := readNames(f)
	if err != nil {
		return nil, err
	}
	out := make([]entry, len(names))
	for i, n := range names {
		out[i].name = n
		if err := unix.Fstatat(fd, n, &out[i].stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, &os.PathError{Op: "stat in " + t.Label, Path: path.Join(dir, n), Err: err}
		}
	}
	return out, nil
}

// Select finds the files that sources refer to (Dockerfile reference, COPY): patterns follow
// path.Match, a directory means its content, and a link that is named directly means its
// target.
func (t *Tree) Select(patterns []string, o Options) (*Selection, error) {
	s := &Selection{Tree: t}
	var exclude *patternmatcher.PatternMatcher
	if len(o.Exclude) > 0 {
		var err error
		if exclude, err = patternmatcher.New(o.Exclude); err != nil {
			return nil, fmt.Errorf("invalid --exclude: %w", err)
		}
	}
	var missing error
	sources, err := t.expandPivots(patterns, o)
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		pattern := source.pattern
		before, _, pivot := strings.Cut(pattern, "/./")
		cut := ""
		if pivot {
			cut = graph.Unescape(strings.TrimPrefix(path.Clean("/"+before), "/"))
		}
		g := &glob{t: t, o: o}
		matches, err := g.expand(path.Clean("/" + pattern)[1:])
		if err != nil {
			return nil, err
		}
		if o.Parents {
			s.names = map[string]bool{}
		}
		files := len(s.Files)
		for _, m := range matches {
			w := &walk{t: t, o: o, s: s, exclude: exclude, source: m, cut: cut}
			if err := w.addMatch(); err != nil {
				return nil, err
			}
			if !o.Parents {
				s.sources++
			}
		}
		s.sources++
		s.Named = s.Named || !source.optional
		switch {
		case !g.mustMatch() || source.optional:
		case len(matches) == 0:
			missing = errors.Join(missing, t.notFound(pattern))
		case o.Parents && exclude != nil && len(s.Files) == files:
			missing = errors.Join(missing, &NotFoundError{Pattern: pattern, Label: t.Label, Excluded: true})
		}
	}
	return s, missing
}

// follow resolves a path's last component while it is a link, inside the tree, and returns a
// path without links.
func (t *Tree) follow(name string) (string, error) {
	todo := strings.Split(name, "/")
	at := "."
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		if t.isHidden(next) {
			return "", &os.PathError{Op: "open in " + t.Label, Path: next, Err: unix.ENOENT}
		}
		fd, err := t.open(next, unix.O_PATH)
		if err != nil {
			return "", err
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		target := make([]byte, unix.PathMax)
		n := 0
		if err == nil && isLink(&st) {
			n, err = unix.Readlinkat(fd, "", target)
		}
		_ = unix.Close(fd)
		if err != nil {
			return "", err
		}
		if n == 0 {
			at = next
			continue
		}
		if links++; links > 40 {
			return "", &os.PathError{Op: "follow in " + t.Label, Path: name, Err: unix.ELOOP}
		}
		if target[0] == '/' {
			at = "."
		}
		todo = append(strings.Split(string(target[:n]), "/"), todo...)
	}
	return at, nil
}
