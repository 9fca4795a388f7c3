package lint

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// ignored: CopyIgnoredFile. A pattern may match something else; so may a directory
// in which something comes back. Those are not findings.
func (c *checker) ignored(l *linter.Linter, s *stage, verb string, sources []string, where []parser.Range) {
	if c.o.Ignored == nil {
		return
	}
	rule := &linter.RuleCopyIgnoredFile
	for _, source := range sources {
		name, err := (&reader{c: c, vars: s.vars()}).word(source)
		if err != nil || strings.ContainsAny(name, "*?[") || isRemote(name) {
			continue
		}
		clean := strings.TrimPrefix(path.Clean("/"+name), "/")
		if clean == "" {
			continue
		}
		if ignored, prune := c.o.Ignored(clean, true); ignored && prune {
			l.Run(rule, where, rule.Format(verb, source))
		}
	}
}

// isRemote says whether ADD fetches a source.
func isRemote(source string) bool {
	return strings.Contains(source, "://") || strings.HasPrefix(source, "git@")
}
