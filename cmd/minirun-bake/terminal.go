package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
)

// A clean text has nothing that a terminal would obey.
type clean string

// printf is fmt.Fprintf with texts in which control characters are visible: names and
// descriptions are those of a file that comes with a repository.
func printf(w io.Writer, format string, texts ...any) {
	for i, t := range texts {
		if s, ok := t.(string); ok {
			texts[i] = visible(s, "")
		}
	}
	fmt.Fprintf(w, format, texts...)
}

// visible replaces characters that are not graphic, except those that are kept.
func visible(text, keep string) clean {
	return clean(strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) && !strings.ContainsRune(keep, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text))
}

// commands are what a terminal obeys, except the end of a line and a tab.
var commands = regexp.MustCompile(`\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|` +
	`[\x00-\x08\x0b-\x1f\x7f\x{80}-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}]`)

// withoutCommands is what a program has printed, as text. A carriage return ends a line:
// programs draw their progress with it.
func withoutCommands(output []byte) []byte {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(output))
	return []byte(commands.ReplaceAllString(text, ""))
}

// cleanWriter makes visible what a terminal would obey: a question must show what it is
// about.
type cleanWriter struct{ io.Writer }

func (w cleanWriter) Write(p []byte) (int, error) {
	_, err := io.WriteString(w.Writer, string(visible(string(p), "\n\t")))
	return len(p), err
}
