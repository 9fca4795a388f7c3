package termtext

import (
	"fmt"
	"strings"
	"unicode/utf16"
)

// JSON returns a JSON text in which characters that a terminal does not only display are escaped, as
// \u and four digits. An encoder escapes only those below U+0020. The meaning is the same.
func JSON(text string) string {
	if isASCII(text) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		switch {
		case Visible(r) || r == '\n' || r == '\t':
			out.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		}
	}
	return out.String()
}

// isASCII reports whether a text has only characters that are displayed, and newlines.
func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x7f || text[i] < ' ' && text[i] != '\n' {
			return false
		}
	}
	return true
}
