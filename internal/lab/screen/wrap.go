package screen

import (
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// codeIndent begins a line of a code block, as the renderer writes it.
const codeIndent = "    "

// margin is what is left free at the right.
const margin = 2

// marker is the beginning of a line: its indentation, and the number or bullet of an item.
var marker = regexp.MustCompile(`^ *((\d+\.|•) )?`)

// wrap breaks a line at spaces only: the renderer would break commands at each dash and dot. The other lines
// of an item begin below its text. Code is not broken, since it may be copied.
func wrap(line string, width int) (lines []string) {
	plain := ansi.Strip(line)
	start := marker.FindString(plain)
	if strings.HasPrefix(plain, codeIndent) && !strings.HasSuffix(start, "• ") && len(start) == len(codeIndent) {
		return []string{line}
	}
	indent := strings.Repeat(" ", ansi.StringWidth(start))
	current, used := "", 0
	for _, word := range strings.SplitAfter(line, " ") {
		columns := ansi.StringWidth(strings.TrimRight(word, " "))
		if used+columns > width-margin && used > len(indent) {
			lines = append(lines, strings.TrimRight(current, " "))
			current, used = indent, len(indent)
		}
		current += word
		used += ansi.StringWidth(word)
	}
	return append(lines, strings.TrimRight(current, " "))
}
