package screen

import (
	"regexp"
	"strings"
)

// startsBlock matches a line that does not continue the one before: a heading, an item, a quotation, a
// table, a fence.
var startsBlock = regexp.MustCompile("^ *(#|>|\\||```|[-*+] |\\d+[.)] )")

// unwrap joins the lines of each paragraph and item. The renderer breaks lines to the width of the screen, but
// keeps those that an item of a list has in the file.
func unwrap(text string) string {
	var out []string
	isOpen, code := false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		isFence := strings.HasPrefix(strings.TrimLeft(line, " "), "```")
		if isOpen && !code && line != "" && !startsBlock.MatchString(line) {
			out[len(out)-1] += " " + strings.TrimLeft(line, " ")
			continue
		}
		out = append(out, line)
		code = code != isFence
		isOpen = !code && !isFence && strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#")
	}
	return strings.Join(out, "\n") + "\n"
}
