// Package termtext makes text from untrusted sources safe to show on a terminal: names
// of files in images, commands, labels, environment. An escape sequence in it could
// change other parts of the screen, the terminal's title, or what it answers; a
// newline could forge a line of a table; and a character that changes the direction of
// text could make one name look like another. All of them are shown as escapes, in Go
// syntax.
//
// Tables, trees and errors use it. The output of a container is passed on unchanged.
package termtext

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible reports whether a terminal only displays a character. Control characters
// have other effects; format characters (Cf) change the direction of the text, or hide
// it.
func Visible(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Line returns text escaped to fit on one line.
func Line(text string) string { return escape(text, "") }

// Text returns text escaped except for newlines and tabs.
func Text(text string) string { return escape(text, "\n\t") }

func escape(text, allowed string) string {
	clean := true
	for i := 0; i < len(text) && clean; i++ {
		clean = text[i] >= ' ' && text[i] < 0x7f
	}
	if clean { // nearly always
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case Visible(r) || strings.ContainsRune(allowed, r):
			out.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
		text = text[size:]
	}
	return out.String()
}

// Multiline is text whose newlines and tabs [Fprintf] keeps, such as that of an error
// with a hint.
type Multiline string

// Fprintf is fmt.Fprintf, but shows every text argument on one line.
func Fprintf(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, lines(args)...)
}

// Fprintln is fmt.Fprintln, but shows every text argument on one line.
func Fprintln(w io.Writer, args ...any) {
	_, _ = fmt.Fprintln(w, lines(args)...)
}

func lines(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			out[i] = Line(a)
		case Multiline:
			out[i] = Text(string(a))
		case error:
			out[i] = Line(a.Error())
		case fmt.Stringer:
			out[i] = Line(a.String())
		default:
			out[i] = a
			if v := reflect.ValueOf(a); v.Kind() == reflect.String {
				out[i] = Line(v.String())
			}
		}
	}
	return out
}

// NewWriter returns a writer for text with colors: color sequences, newlines and tabs
// pass. Everything else that is not visible is shown as an escape.
func NewWriter(w io.Writer) io.Writer { return writer{w} }

type writer struct{ to io.Writer }

// Write implements io.Writer.
func (w writer) Write(p []byte) (int, error) {
	var out strings.Builder
	for rest := string(p); rest != ""; {
		at := strings.IndexByte(rest, 0x1b)
		if at < 0 {
			at = len(rest)
		}
		out.WriteString(Text(rest[:at]))
		rest = rest[at:]
		n := colorSequence(rest)
		out.WriteString(rest[:n])
		if rest = rest[n:]; n == 0 && rest != "" {
			out.WriteString(`\x1b`)
			rest = rest[1:]
		}
	}
	if _, err := io.WriteString(w.to, out.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// colorSequence returns the length of the sequence that a text begins with, if it is
// one that selects a color (ECMA-48, SGR).
func colorSequence(text string) int {
	if !strings.HasPrefix(text, "\x1b[") {
		return 0
	}
	for i := 2; i < len(text); i++ {
		switch c := text[i]; {
		case c == 'm':
			return i + 1
		case (c < '0' || c > '9') && c != ';':
			return 0
		}
	}
	return 0
}
