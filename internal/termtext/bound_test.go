package termtext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestBoundedKeepsTheEnds(t *testing.T) {
	for _, short := range []string{"", "a b", strings.Repeat("x", maxWord), strings.Repeat("x y\n", 1000)} {
		if got := Bounded(short); got != short {
			t.Errorf("%.20q… of %d bytes is changed", short, len(short))
		}
	}
	for name, text := range map[string]string{
		"a path": "process.cwd: open \"/" + strings.Repeat("a/", 1<<20) + "\": file name too long",
		"many arguments": "process.cwd: execve(\"/bin/true\", [" + strings.Repeat(`"a", `, 1<<20) +
			"]): file name too long",
		"characters of two bytes": "process.cwd: " + strings.Repeat("é", 1<<20) + ": file name too long",
		"blanks":                  "process.cwd: " + strings.Repeat(" ", 1<<20) + ": file name too long",
	} {
		got := Bounded(text)
		if len(got) > maxText || !strings.HasPrefix(got, "process.cwd: ") ||
			!strings.HasSuffix(got, ": file name too long") ||
			!strings.Contains(got, " bytes]…") || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes: %.40s … %s", name, len(got), got, got[max(0, len(got)-40):])
		}
	}
}
