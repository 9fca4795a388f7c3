package termtext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How much of a value, and of a message, is shown. A path is at most 4096 bytes long,
// and in a message the cause follows the value.
const (
	maxWord, wordHead, wordTail = 1024, 512, 128
	maxText, textHead, textTail = 16384, 12288, 2048
)

// Bounded returns a message in which long words, and the whole if it is too long, are
// shortened in the middle: a value in config.json may be megabytes long, and a message
// shows the value. It is for errors and warnings, not for output.
func Bounded(text string) string {
	if len(text) <= maxWord {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		end := strings.IndexFunc(text, unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		out.WriteString(Value(text[:end]))
		text = text[end:]
		blank := len(text) - len(strings.TrimLeftFunc(text, unicode.IsSpace))
		out.WriteString(text[:blank])
		text = text[blank:]
	}
	return middleOut(out.String(), maxText, textHead, textTail)
}

// Value returns a value for a message, shortened in the middle if it is too long.
func Value(text string) string { return middleOut(text, maxWord, wordHead, wordTail) }

// middleOut shortens a text of more than limit bytes by cutting out its middle.
func middleOut(text string, limit, head, tail int) string {
	if len(text) <= limit {
		return text
	}
	from, to := head, len(text)-tail
	for from > 0 && !utf8.RuneStart(text[from]) {
		from--
	}
	for to < len(text) && !utf8.RuneStart(text[to]) {
		to++
	}
	return fmt.Sprintf("%s…[%d bytes]…%s", text[:from], to-from, text[to:])
}
