package architecture

import (
	"strings"
	"testing"
)

// TestTablesEscapeControlCharacters: a file that prints a table prints its cells through termtext, so
// that no name in an image can send control sequences to the terminal.
func TestTablesEscapeControlCharacters(t *testing.T) {
	tables := 0
	forEachFile(t, func(path, text string) {
		if !strings.Contains(text, `"text/tabwriter"`) {
			return
		}
		tables++
		for n, line := range strings.Split(text, "\n") {
			if strings.Contains(line, "fmt.Fprint") && strings.Contains(line, "%") {
				t.Errorf("%s:%d: use termtext.Fprintf: %s", path, n+1, strings.TrimSpace(line))
			}
			if strings.Contains(line, "termtext.Fprintln") && strings.Contains(line, `\t`) {
				t.Errorf("%s:%d: termtext.Fprintln escapes the tabs of its arguments, use termtext.Fprintf: %s", path, n+1, strings.TrimSpace(line))
			}
		}
	})
	if tables < 5 {
		t.Errorf("only %d files print tables: is the search still right?", tables)
	}
}
