package tree

import (
	"errors"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"
)

// Options say what of the sources is meant.
type Options struct {
	Exclude []string // patterns, as in .dockerignore, from each source on
	Parents bool     // the sources' own paths are kept, from /./ on if there is one
}

// A Found is a file that a source stands for.
type Found struct {
	Path  string // clean, relative to the tree's root
	Name  string // where it goes, relative to the destination; "." is the destination itself
	Alone bool   // it is the source itself: a destination without / is its name
	Way   bool   // a directory that only leads to a source: it keeps its own time
	Stat  unix.Stat_t
}

// A Selection is what sources stand for, in the order in which it is copied.
type Selection struct {
	Tree  *Tree
	Files []Found

	ways map[string]bool // those that are there already
}

const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// open opens a path of the tree. With follow, links lead on inside the tree.
func (t *Tree) open(name string, flags int, follow bool) (int, error) {
	how := unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: beneath}
	if follow {
		how.Resolve = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS
	} else {
		how.Flags |= unix.O_NOFOLLOW
	}
	for {
		fd, err := unix.Openat2(int(t.Root.Fd()), name, &how)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) { // somebody renames; try again
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "open in " + t.Label, Path: name, Err: err}
		}
		return fd, nil
	}
}

func (t *Tree) lstat(name string) (st unix.Stat_t, err error) {
	fd, err := t.open(name, unix.O_PATH, false)
	if err != nil {
		return st, err
	}
	defer func() { _ = unix.Close(fd) }()
	return st, unix.Fstat(fd, &st)
}

func isDir(st *unix.Stat_t) bool  { return st.Mode&unix.S_IFMT == unix.S_IFDIR }
func isLink(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFLNK }

// names are the entries of a directory, sorted.
func (t *Tree) names(dir string) ([]string, error) {
	fd, err := t.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, false)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, errors.Join(err, f.Close())
}

// An entry is a file of a directory.
type entry struct {
	name string
	stat unix.Stat_t
}

// entries are a directory's, sorted: one look-up of the directory for all.
func (t *Tree) entries(dir string) ([]entry, error) {
	fd, err := t.open(dir, unix.O_RDONLY|unix.O_DIRECTORY, false)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	out := make([]entry, len(names))
	for i, n := range names {
		out[i].name = n
		if err := unix.Fstatat(fd, n, &out[i].stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, &os.PathError{Op: "look at in " + t.Label, Path: path.Join(dir, n), Err: err}
		}
	}
	return out, nil
}

// Select finds what sources mean (Dockerfile reference, COPY): patterns of
// path.Match, a directory stands for what is in it, a link that is named stands for
// what it leads to.
func (t *Tree) Select(patterns []string, o Options) (*Selection, error) {
	s := &Selection{Tree: t, ways: map[string]bool{}}
	var exclude *patternmatcher.PatternMatcher
	if len(o.Exclude) > 0 {
		var err error
		if exclude, err = patternmatcher.New(o.Exclude); err != nil {
			return nil, fmt.Errorf("--exclude: %w", err)
		}
	}
	var missing error
	sources, err := t.pivoted(patterns, o)
	if err != nil {
		return nil, err
	}
	for _, source := range sources {
		pattern := source.pattern
		before, _, pivot := strings.Cut(pattern, "/./")
		cut := ""
		if pivot {
			cut = escaped.ReplaceAllString(strings.TrimPrefix(path.Clean("/"+before), "/"), "$1")
		}
		matches, err := t.glob(path.Clean("/" + pattern)[1:], o.Parents)
		if err != nil {
			return nil, err
		}
		n := len(s.Files)
		for _, m := range matches {
			w := &walk{t: t, o: o, s: s, exclude: exclude, source: m, cut: cut}
			if err := w.match(); err != nil {
				return nil, err
			}
		}
		if len(s.Files) == n && !hasMeta(pattern) && exclude == nil && !source.optional {
			missing = errors.Join(missing, t.notFound(pattern))
		}
	}
	return s, missing
}

func hasMeta(pattern string) bool { return strings.ContainsAny(pattern, `*?[`) }

// glob finds the paths that a pattern matches, component by component. With deep,
// ** stands for any number of directories.
func (t *Tree) glob(pattern string, deep bool) ([]string, error) {
	if pattern == "" || pattern == "." {
		return []string{"."}, nil
	}
	found := []string{"."}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			list, err := t.component(dir, part, deep)
			if err != nil {
				return nil, err
			}
			next = append(next, list...)
		}
		found = next
	}
	return found, nil
}

// escaped is a character that stands for itself in a pattern.
var escaped = regexp.MustCompile(`(?s)\\(.)`)

func (t *Tree) component(dir, part string, deep bool) (out []string, err error) {
	if part == "**" && deep {
		return t.directories(dir)
	}
	if !hasMeta(part) {
		part = escaped.ReplaceAllString(part, "$1")
		name := path.Join(dir, part)
		if fd, err := t.open(name, unix.O_PATH, false); err == nil {
			_ = unix.Close(fd)
			return []string{name}, nil
		}
		// A link on the way: what is behind it has its name from there on.
		real, err := t.follow(dir)
		if err != nil {
			return nil, nil
		}
		name = path.Join(real, part)
		if _, err := t.lstat(name); err != nil {
			return nil, nil
		}
		return []string{name}, nil
	}
	real, err := t.follow(dir)
	if err != nil {
		return nil, nil
	}
	names, err := t.names(real)
	if err != nil {
		return nil, nil // no directory
	}
	for _, n := range names {
		ok, err := path.Match(part, n)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", part, err)
		}
		if ok {
			out = append(out, path.Join(real, n))
		}
	}
	return out, nil
}

// directories are a directory and all below it.
func (t *Tree) directories(dir string) ([]string, error) {
	out := []string{dir}
	names, err := t.names(dir)
	if err != nil {
		return out, nil
	}
	for _, n := range names {
		sub := path.Join(dir, n)
		if st, err := t.lstat(sub); err == nil && isDir(&st) {
			more, err := t.directories(sub)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// follow resolves a path's last component while it is a link, inside the tree, and
// returns a path without links.
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
		fd, err := t.open(next, unix.O_PATH, false)
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
