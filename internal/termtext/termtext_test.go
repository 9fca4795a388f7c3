package termtext

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLineEscapesControlCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"plain":              "plain",
		"Größe 日本 e\u0301":   "Größe 日本 e\u0301",
		"a\x1b[31mb":         `a\x1b[31mb`,
		"a\nb\tc\r":          `a\nb\tc\r`,
		"c1 \u009b31m":       `c1 \u009b31m`,
		"raw \x9b31m":        `raw \x9b31m`,
		"bidi \u202ecod.exe": `bidi \u202ecod.exe`,
		"\u2066x\u2069":      `\u2066x\u2069`,
		"\u2028\u200b\ufeff": `\u2028\u200b\ufeff`,
		"bad \xff\xfe":       `bad \xff\xfe`,
		"\x7f\x00":           `\x7f\x00`,
		"\ufffd":             "\ufffd",
	} {
		if got := Line(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := Text("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("%q", got)
	}
}

func TestFprintf(t *testing.T) {
	var out bytes.Buffer
	Fprintf(&out, "%s\t%v\t%d\n", "a\nb", errors.New("c\x1b"), 7)
	type named string
	Fprintln(&out, "x", "y\r", named("z\x1b"), nil)
	if want := "a\\nb\tc\\x1b\t7\nx y\\r z\\x1b <nil>\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWriterPassesColors(t *testing.T) {
	var out bytes.Buffer
	text := "\x1b[1mbold\x1b[0m\n\x1b]0;title\a \x1b[2J \x1b[31\x1b"
	if n, err := NewWriter(&out).Write([]byte(text)); n != len(text) || err != nil {
		t.Error(n, err)
	}
	if want := "\x1b[1mbold\x1b[0m\n" + `\x1b]0;title\a \x1b[2J \x1b[31\x1b`; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// FuzzText: the result never contains a character that does more than occupy its place.
func FuzzText(f *testing.F) {
	f.Add("a\x1b[31mb\r\n\x1b]0;x\a\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for name, got := range map[string]string{"Line": Line(text),
			"Text": strings.NewReplacer("\n", "", "\t", "").Replace(Text(text))} {
			if !utf8.ValidString(got) {
				t.Errorf("%s: %q is not UTF-8", name, got)
			}
			for _, r := range got {
				if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
					t.Errorf("%s: %q has %U", name, got, r)
				}
			}
		}
	})
}
