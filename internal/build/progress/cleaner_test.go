package progress

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func lines(pieces ...string) string {
	var c cleaner
	var out []string
	tell := func(s string) { out = append(out, s) }
	for _, p := range pieces {
		c.write([]byte(p), tell)
	}
	c.flush(tell)
	return strings.Join(out, "|")
}

func TestCleanerEmulatesTerminalLine(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\n":                              "a|b",
		"a\r\nb":                              "a|b",
		"\n\n":                                "|",
		"10%\r100%":                           "100%",
		"long line\rab":                       "abng line",
		"long line\r\x1b[Kab":                 "ab",
		"long line\x1b[2K\rab":                "ab",
		"long line\x1b[1Gab":                  "abng line",
		"\x1b[3Gx":                            "  x",
		"\x1b[99999999999Gx\n":                strings.Repeat(" ", maxLine-1) + "x|",
		"ab\b\bc":                             "cb",
		"\b\ba":                               "a",
		"a\tb":                                "a       b",
		"\x1b[1;31mred\x1b[0m":                "red",
		"\x1b[?25lx\x1b[?1049h":               "x",
		"\x1b(Bx\x1b7\x1b8\x1bcy":             "xy",
		"\x1b]0;title\ax\x1b]8;;u\x1b\\y":     "xy",
		"\x1bPq#0\x1b\\x":                     "x",
		"\x1b]never ends\nnext":               "|next",
		"\x1b[12\x18x":                        "x",
		"\x1b[\x1b[1mx":                       "x",
		"a\x00\x07\x7fb\u009bc\u202ed\u2028e": "abcde",
		"e\u0301日本":                           "e\u0301日本",
		"bad \xff\xfe":                        "bad \ufffd\ufffd",
	} {
		if in == "\x1b[99999999999Gx\n" {
			want = strings.Repeat(" ", maxLine-1) + "x|" // the maximum length of a line, so the line ends there
		}
		if got := lines(in); got != want {
			t.Errorf("%q: %.80q, want %.80q", in, got, want)
		}
		var bytewise []string
		for i := range len(in) {
			bytewise = append(bytewise, in[i:i+1])
		}
		if got := lines(bytewise...); got != want {
			t.Errorf("%q in pieces: %.80q, want %.80q", in, got, want)
		}
	}
	if got := cleanLine(" two \n\n lines\r\n"); got != "two lines" {
		t.Errorf("%q", got)
	}
}

func FuzzCleaner(f *testing.F) {
	f.Add([]byte("a\x1b[31mb\r\n\x1b]0;x\a"), 3)
	f.Add([]byte("\x1b[9999C\xe3\x81"), 1)
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		var c cleaner
		tell := func(s string) {
			if !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxLine {
				t.Errorf("%q", s)
			}
			for _, r := range s {
				if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
					t.Errorf("%q has %U", s, r)
				}
			}
		}
		cut = max(0, min(cut, len(p)))
		c.write(p[:cut], tell)
		c.write(p[cut:], tell)
		tell(c.incompleteLine())
		c.flush(tell)
	})
}
