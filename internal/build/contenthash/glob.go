package contenthash

import (
	"fmt"
	"path"
	"strings"

	"github.com/minirun/minirun/internal/build/graph"
)

// This file defines which paths a pattern matches. Components before the first wildcard are a
// path, which may lead through symbolic links. After the first wildcard only real directories
// are entered, so COPY */f does not copy a file twice because there is a link to its
// directory. Files that .dockerignore excludes do not exist.

// A glob expands one pattern.
type glob struct {
	t           *Tree
	o           Options
	sawWildcard bool // a component before this one had a wildcard
	missingDir  bool // a directory before the first wildcard does not exist
}

// expand finds the paths that a pattern matches, component by component.
func (g *glob) expand(pattern string) ([]string, error) {
	if pattern == "" || pattern == "." {
		return []string{"."}, nil
	}
	found := []string{"."}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			list, err := g.matchComponent(dir, part)
			if err != nil {
				return nil, err
			}
			next = append(next, list...)
		}
		g.sawWildcard = g.sawWildcard || graph.HasWildcards(part)
		g.missingDir = g.missingDir || !g.sawWildcard && len(next) == 0
		found = next
	}
	return found, nil
}

// mustMatch reports whether it is an error if nothing matches. It is for a path without
// wildcards, and, unless only names below the destination are asked for, for a missing
// directory at the start of a pattern.
func (g *glob) mustMatch() bool { return !g.sawWildcard || g.missingDir && !g.o.Parents }

// matchComponent finds the matches of one component in a directory. With --parents, ** matches any
// number of directories.
func (g *glob) matchComponent(dir, part string) ([]string, error) {
	switch {
	case part == "**" && g.o.Parents:
		return g.t.directories(dir)
	case graph.HasWildcards(part):
		return g.matchNames(dir, part)
	}
	part = graph.Unescape(part)
	name := path.Join(dir, part)
	if _, err := g.t.lstat(name); err != nil && g.sawWildcard {
		return nil, nil
	} else if err != nil { // a link on the way: matches are below its target
		real, err := g.t.follow(dir)
		if err != nil {
			return nil, nil
		}
		name = path.Join(real, part)
		if _, err := g.t.lstat(name); err != nil {
			return nil, nil
		}
	}
	if g.t.isHidden(name) {
		return nil, nil
	}
	return []string{name}, nil
}

// matchNames finds the entries of a directory that match a component with wildcards.
func (g *glob) matchNames(dir, part string) (out []string, err error) {
	if !g.sawWildcard && !g.o.Parents {
		if dir, err = g.t.follow(dir); err != nil {
			g.missingDir = true
			return nil, nil
		}
	}
	names, err := g.t.listNames(dir)
	if err != nil { // not a directory
		return nil, nil
	}
	for _, n := range names {
		ok, err := path.Match(part, n)
		if err != nil {
			return nil, fmt.Errorf("invalid pattern %q: %w", part, err)
		}
		if ok && !g.t.isHidden(path.Join(dir, n)) {
			out = append(out, path.Join(dir, n))
		}
	}
	return out, nil
}

// directories returns a directory and all directories below it.
func (t *Tree) directories(dir string) ([]string, error) {
	out := []string{dir}
	names, err := t.listNames(dir)
	if err != nil {
		return out, nil
	}
	for _, n := range names {
		sub := path.Join(dir, n)
		if st, err := t.lstat(sub); err == nil && isDir(&st) && !t.isHidden(sub) {
			more, err := t.directories(sub)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// isHidden reports whether .dockerignore excludes a path that exists. A directory is not hidden
// if a file below it is included.
func (t *Tree) isHidden(name string) bool {
	if t.Ignored == nil || name == "." {
		return false
	}
	st, err := t.lstat(name)
	if err != nil {
		return false
	}
	ignored, prune := t.Ignored(name, isDir(&st))
	if !ignored || prune || !isDir(&st) {
		return ignored
	}
	names, err := t.listNames(name)
	if err != nil {
		return true
	}
	for _, n := range names {
		if !t.isHidden(path.Join(name, n)) {
			return false
		}
	}
	return true
}
