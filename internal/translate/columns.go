package translate

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// A column is a part of a line, and what separates it from the next one: at least two spaces, a tab, or a
// sequence that changes the color.
type column struct {
	text       string
	separator  string
	translated string
}

var separator = regexp.MustCompile("(\x1b\\[[0-9;]*m| {2,}|\t)+")

// split divides a line into columns.
func split(line string) (columns []column) {
	at := 0
	for _, place := range separator.FindAllStringIndex(line, -1) {
		from, to := place[0], place[1]
		// A single space next to a color also separates.
		text := line[at:from]
		trimmed := strings.TrimRight(text, " ")
		columns = append(columns, column{text: trimmed, separator: text[len(trimmed):] + line[from:to]})
		at = to
		for at < len(line) && line[at] == ' ' {
			columns[len(columns)-1].separator += " "
			at++
		}
	}
	if at < len(line) || len(columns) == 0 {
		columns = append(columns, column{text: line[at:]})
	}
	return columns
}

// join returns the translated line. Columns begin where they did, if there is room.
func join(columns []column) string {
	var out strings.Builder
	late := 0 // how much further right the next column would begin
	for _, c := range columns {
		out.WriteString(c.translated)
		late += utf8.RuneCountInString(c.translated) - utf8.RuneCountInString(c.text)
		separator := c.separator
		if spaces := strings.TrimRight(separator, " "); late != 0 && len(separator)-len(spaces) >= 2 && c.text != "" {
			n := max(2, len(separator)-len(spaces)-late)
			late -= len(separator) - len(spaces) - n
			separator = spaces + strings.Repeat(" ", n)
		}
		out.WriteString(separator)
	}
	return out.String()
}
