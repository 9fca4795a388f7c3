package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
)

// A clean text contains no terminal control sequences.
type clean string

// printf is like fmt.Fprintf, and makes control characters visible: names and descriptions
// come from a file that may be in an untrusted repository.
func printf(w io.Writer, format string, texts ...any) {
	for i, t := range texts {
		if s, ok := t.(string); ok {
			texts[i] = visible(s, "")
		}
	}
	fmt.Fprintf(w, format, texts...)
}

// visible replaces characters that are not graphic, except those in keep.
func visible(text, keep string) clean {
	return clean(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) && !strings.ContainsRune(keep, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text))
}

// controls matches terminal control sequences and control characters, except a newline and a
// tab.
var controls = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|` +
	`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)

// removeControls removes control sequences from a program's output. A carriage return ends a
// line: programs use it to draw their progress.
func removeControls(output []byte) []byte {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(output))
	return []byte(controls.ReplaceAllString(text, ""))
}

// cleanWriter makes control characters visible: they must not hide the subject of a question.
type cleanWriter struct{ io.Writer }

func (w cleanWriter) Write(p []byte) (int, error) {
	_, err := io.WriteString(w.Writer, string(visible(string(p), "\n\t")))
	return len(p), err
}
