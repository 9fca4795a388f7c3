package graph

import "testing"

// TestPatternOfSource shows which names a source in a Dockerfile stands for: a backslash
// escapes a character in a pattern, and is part of the name in a path.
func TestPatternOfSource(t *testing.T) {
	for _, c := range []struct {
		source, pattern string
		wildcards       bool
	}{
		{"a", "a", false},
		{"a*", "a*", true},
		{`\[d]*`, `\[d]*`, true},
		{`\[d]`, `\\\[d]`, false},
		{`a\b`, `a\\b`, false},
		{`a\*`, `a\\\*`, false},
		{"dir/./[ab]", "dir/./[ab]", true},
	} {
		got := Pattern(c.source)
		if got != c.pattern || HasWildcards(got) != c.wildcards {
			t.Errorf("Pattern(%q) = %q (wildcards: %t), want %q", c.source, got, HasWildcards(got), c.pattern)
		}
		if !c.wildcards && Unescape(got) != c.source {
			t.Errorf("Unescape(%q) = %q, want %q", got, Unescape(got), c.source)
		}
	}
	for _, name := range []string{"[d]*", `\`, `a\[b`, "?"} {
		if got := Unescape(Literal(name)); got != name || HasWildcards(Literal(name)) {
			t.Errorf("Literal(%q) = %q, which stands for %q", name, Literal(name), got)
		}
	}
}
