package contenthash

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/util/suggest"

	"github.com/minirun/minirun/internal/build/graph"
)

// A NotFoundError means that a source does not exist.
type NotFoundError struct {
	Pattern  string
	Label    string
	Ignored  bool     // it (or the link's target) exists, but .dockerignore excludes it
	Excluded bool     // it exists, but --exclude excludes it
	Link     bool     // it is a dangling symbolic link
	Near     []string // similar paths in the same directory
}

func (e *NotFoundError) Error() string {
	text := fmt.Sprintf("%q not found in %s", "/"+strings.TrimPrefix(e.Pattern, "/"), e.Label)
	switch {
	case e.Link && e.Ignored:
		text += " (it is a symbolic link to a file that .dockerignore excludes)"
	case e.Link:
		text += " (it is a dangling symbolic link)"
	case e.Excluded:
		text += " (--exclude excludes it)"
	case e.Ignored:
		text += " (.dockerignore excludes it)"
	case len(e.Near) > 0:
		text += "\nhint: did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return text
}

// Unwrap makes the error match fs.ErrNotExist.
func (e *NotFoundError) Unwrap() error { return fs.ErrNotExist }

func (t *Tree) notFound(pattern string) error {
	if !graph.HasWildcards(pattern) {
		pattern = graph.Unescape(pattern)
	}
	e := &NotFoundError{Pattern: pattern, Label: t.Label}
	clean := path.Clean("/" + pattern)[1:]
	if t.Exists(clean) {
		e.Ignored = t.isHidden(clean)
		return e
	}
	e.Near = t.similarPaths(clean)
	return e
}

// similarPaths returns paths that resemble a missing one: names similar to its first missing
// component, in the same directory.
func (t *Tree) similarPaths(missing string) (out []string) {
	dir, name, rest := ".", "", strings.Split(missing, "/")
	for len(rest) > 0 {
		name, rest = rest[0], rest[1:]
		if _, err := t.lstat(path.Join(dir, name)); err != nil {
			break
		}
		dir = path.Join(dir, name)
	}
	names, err := t.listNames(dir)
	if err != nil {
		return nil
	}
	const maxPaths = 3
	for _, n := range names {
		if len(out) == maxPaths || t.isHidden(path.Join(dir, n)) {
			continue
		}
		if areSimilar(n, name) {
			out = append(out, path.Join("/", dir, n))
		}
	}
	return out
}

// Exists reports whether there is a file of this name, which may be a link.
func (t *Tree) Exists(name string) bool {
	_, err := t.lstat(name)
	return err == nil
}

// areSimilar reports whether two names may have been confused: one is a misspelling of the other,
// or starts with the other, such as server.js and server.
func areSimilar(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	short, long := strings.ToLower(a), strings.ToLower(b)
	if len(short) > len(long) {
		short, long = long, short
	}
	const few = 3 // letters; any two short names have most of them in common
	if len(short) <= few {
		return len(short) == few && len(long) == few+1 && strings.HasPrefix(long, short)
	}
	_, misspelt := suggest.Search(short, []string{long}, false)
	return misspelt || strings.HasPrefix(long, short)
}
