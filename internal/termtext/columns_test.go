package termtext

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestColumnsAreNotTooFew: no character takes more columns than are counted for it.
func TestColumnsAreNotTooFew(t *testing.T) {
	var cells runewidth.Condition
	for r := rune(' '); r <= 0x3fffd; r++ {
		if got, want := columnsOf(r), cells.RuneWidth(r); Visible(r) && got < want {
			t.Errorf("%U: %d columns, want %d", r, got, want)
		}
	}
	for text, want := range map[string]int{"": 0, "abc": 3, "ação": 4, "日本語": 6, "e\u0301": 1, "→…–×": 4} {
		if got := Columns(text); got != want {
			t.Errorf("%q: %d columns, want %d", text, got, want)
		}
	}
}

// TestCut: a line is cut to columns, and never inside a character or before its marks.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		line string
		most int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"  a  b", 4, "  a…"}, {"abcd", 1, "…"}, {"abcd", 0, ""}, {"abcd", -1, ""},
		{"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
	} {
		if got := Cut(c.line, c.most); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.line, c.most, got, c.want)
		}
	}
	long := strings.Repeat("日a", 100)
	for most := range 100 {
		if n := Columns(Cut(long, most)); n > most || n < most-1 {
			t.Errorf("cut to %d columns: %d", most, n)
		}
	}
}
