package lint

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// checkIgnored checks CopyIgnoredFile for the expanded sources. A pattern is treated as a name. If
// .dockerignore has a pattern that includes files again (!), ignored reports nothing.
func (c *checker) checkIgnored(l *linter.Linter, verb string, sources []string, where []parser.Range) {
	if c.ignoreMatcher == nil {
		return
	}
	rule := &linter.RuleCopyIgnoredFile
	for _, source := range sources {
		if source == "" || isRemote(source) {
			continue
		}
		name := path.Clean(source)
		matched := name
		if name == "." || name == "/" { // the context itself has no name, so that .* does not match it
			matched = ""
		}
		if ignored, err := c.ignoreMatcher.MatchesOrParentMatches(matched); err == nil && ignored {
			l.Run(rule, where, rule.Format(verb, name))
		}
	}
}

// isRemote reports whether ADD fetches a source.
func isRemote(source string) bool {
	return strings.Contains(source, "://") || strings.HasPrefix(source, "git@")
}
