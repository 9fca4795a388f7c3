package screen

import (
	"slices"
	"testing"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{"  a word and ./minirun run", []string{"  a word and", "  ./minirun run"}},
		{"  1. one two three four", []string{"  1. one two three", "     four"}},
		{"      • a) one two three", []string{"      • a) one two", "        three"}},
		{"    code that is much longer than the screen", []string{"    code that is much longer than the screen"}},
		{"  averyveryverylongwordindeed x", []string{"  averyveryverylongwordindeed", "  x"}},
		{"  \x1b[1mbold words are not wider\x1b[0m", []string{"  \x1b[1mbold words are", "  not wider\x1b[0m"}},
		{"", []string{""}},
	} {
		if got := wrap(c.line, 20); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.line, got, c.want)
		}
	}
}
