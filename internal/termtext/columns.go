package termtext

import "unicode"

// This file knows how many columns of a terminal a text takes. go-runewidth does it with tables
// that are set up before main, which each start of a container would pay for; these few ranges
// are enough to never count too few.

// Columns returns how many columns of a terminal a line takes.
func Columns(line string) (n int) {
	for _, r := range line {
		n += columnsOf(r)
	}
	return n
}

// columnsOf returns 2 for the wide characters of East Asia and most pictures, 0 for marks that
// are drawn over the character before them.
func columnsOf(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case r < 0x11000 && unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100:
		return 1
	case r <= 0x115f, // Hangul
		0x231a <= r && r <= 0x23f3, 0x25fd <= r && r <= 0x27bf, 0x2b1b <= r && r <= 0x2b55, // symbols
		0x2e80 <= r && r <= 0xa4cf, 0xa960 <= r && r <= 0xa97c, // Chinese, Japanese, Yi
		0xac00 <= r && r <= 0xd7a3, 0xf900 <= r && r <= 0xfaff, 0xfe10 <= r && r <= 0xfe6f,
		0xff00 <= r && r <= 0xff60, 0xffe0 <= r && r <= 0xffe6, // full-width forms
		0x16fe0 <= r && r <= 0x1b2ff, 0x1d300 <= r && r <= 0x1d37f, // Tangut, Kana
		0x1f000 <= r && r <= 0x1faff, 0x20000 <= r && r <= 0x3fffd: // pictures, rare Chinese
		return 2
	}
	return 1
}

// Cut shortens a line to at most that many columns, and leaves its spaces as they are.
func Cut(line string, most int) string {
	if Columns(line) <= most {
		return line
	}
	if most <= 0 {
		return ""
	}
	n := 0
	for i, r := range line {
		if n += columnsOf(r); n > most-1 {
			return line[:i] + "…"
		}
	}
	return line
}
