package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/regularfile"
)

const (
	ignoreName  = ".dockerignore"
	ignoreLimit = 1 << 20
)

// ApplyIgnore makes a tree leave out the files excluded by its .dockerignore, or by that of the
// Dockerfile, whose path is relative to the tree. OpenLocal does so itself. Docker does it for no
// other context: the files in an archive were selected on purpose.
func ApplyIgnore(t *contenthash.Tree, dockerfile string) error {
	if dockerfile != "" && dockerfile != "-" {
		if found, err := readIgnore(t, dockerfile+ignoreName); found || err != nil {
			return err
		}
	}
	_, err := readIgnore(t, ignoreName)
	return err
}

// applyLocalIgnore is like Ignore for a Dockerfile given by a host path, which may be outside the
// context.
func applyLocalIgnore(t *contenthash.Tree, dir, dockerfile string) error {
	if dockerfile == "" || dockerfile == "-" {
		return ApplyIgnore(t, "")
	}
	if inside, ok := relativePath(dir, dockerfile); ok {
		return ApplyIgnore(t, inside)
	}
	f, err := regularfile.Open(dockerfile + ignoreName)
	if errors.Is(err, fs.ErrNotExist) {
		return ApplyIgnore(t, "")
	}
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := readAll(f, f.Name(), ignoreLimit)
	if err != nil {
		return err
	}
	return setIgnored(t, dockerfile+ignoreName, text)
}

// relativePath converts a host path to one relative to a directory, if it is inside.
func relativePath(dir, name string) (string, bool) {
	d, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	n, err := filepath.Abs(name)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(d, n)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return rel, true
}

func readIgnore(t *contenthash.Tree, name string) (found bool, err error) {
	f, err := openBelow(t.Root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", t.Label, err)
	}
	defer f.Close()
	text, err := readAll(f, name, ignoreLimit)
	if err != nil {
		return false, fmt.Errorf("%s: %w", t.Label, err)
	}
	return true, setIgnored(t, name, text)
}

func setIgnored(t *contenthash.Tree, name string, text []byte) error {
	ignored, err := parseIgnore(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t.Ignored = ignored
	t.IgnorePatterns, err = ignorefile.ReadAll(bytes.NewReader(text))
	return err
}

// parseIgnore converts the text of a .dockerignore to a function; nil if it excludes nothing.
func parseIgnore(text []byte) (func(string, bool) (bool, bool), error) {
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the patterns: %w", err)
	}
	for _, p := range patterns {
		if err := checkPattern(p); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	if len(patterns) == 0 {
		return nil, nil
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, err
	}
	i := &ignoreMatcher{matcher: m, dirs: map[string]matchResult{".": {}}}
	for _, p := range m.Patterns() {
		if p.Exclusion() {
			i.exceptions = append(i.exceptions, strings.Split(p.String(), "/"))
		}
	}
	return i.isIgnored, nil
}

// checkPattern finds errors in a pattern that the matcher would report only for the first file.
func checkPattern(pattern string) error {
	pattern = strings.TrimPrefix(pattern, "!")
	m, err := patternmatcher.New([]string{pattern})
	if err != nil {
		return err
	}
	_, err = m.MatchesOrParentMatches("a")
	return err
}

// An ignoreMatcher caches the results of the patterns for directories, so that a file is matched
// once against each pattern, however deep it is.
type ignoreMatcher struct {
	mu         sync.Mutex // the matcher compiles patterns lazily
	matcher    *patternmatcher.PatternMatcher
	dirs       map[string]matchResult
	exceptions [][]string // the patterns with !, split into components
}

type matchResult struct {
	ignored bool
	info    patternmatcher.MatchInfo
}

func (i *ignoreMatcher) isIgnored(name string, isDir bool) (ignored, prune bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if name = path.Clean(name); name == "." {
		return false, false
	}
	var v matchResult
	if isDir {
		v = i.matchDir(name)
	} else {
		v = i.match(name)
	}
	return v.ignored, v.ignored && isDir && !i.mayReturn(name)
}

func (i *ignoreMatcher) matchDir(name string) matchResult {
	v, known := i.dirs[name]
	if !known {
		v = i.match(name)
		i.dirs[name] = v
	}
	return v
}

func (i *ignoreMatcher) match(name string) matchResult {
	above := i.matchDir(path.Dir(name))
	ignored, info, err := i.matcher.MatchesUsingParentResults(name, above.info)
	if err != nil { // check has validated every pattern
		return matchResult{}
	}
	return matchResult{ignored, info}
}

// mayReturn reports whether a pattern with ! can match a file below a directory. Those that
// match the directory itself have been applied already.
func (i *ignoreMatcher) mayReturn(dir string) bool {
	parts := strings.Split(dir, "/")
	for _, pattern := range i.exceptions {
		if mayMatchBelow(pattern, parts) {
			return true
		}
	}
	return false
}

func mayMatchBelow(pattern, dir []string) bool {
	for n, part := range dir {
		if n == len(pattern) {
			return false
		}
		if strings.Contains(pattern[n], "**") {
			return true
		}
		if ok, err := path.Match(pattern[n], part); err == nil && !ok {
			return false
		}
	}
	return len(pattern) > len(dir)
}
