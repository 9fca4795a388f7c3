package formatter

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestWideCharactersFit: cells with wide characters are aligned, and shortened to columns of the terminal.
func TestWideCharactersFit(t *testing.T) {
	table := Table{Headers: map[string]string{"Command": "COMMAND", "Name": "NAME"}, Rows: []Row{
		{"Command": `"` + strings.Repeat("日本語", 10) + `"`, "Name": "web"}, {"Command": `"sh"`, "Name": "box"},
	}}
	for _, width := range []int{200, 40, 31} {
		c := table.NewColumns("Command", "Name")
		c.Fit(width, []Narrowing{{Column: "Command", Least: 5}})
		text := c.Text()
		names := map[int]bool{}
		for line := range strings.Lines(text) {
			if n := runewidth.StringWidth(strings.TrimSpace(line)); n > width {
				t.Errorf("%d columns: %d:\n%s", width, n, text)
			}
			names[runewidth.StringWidth(line[:strings.LastIndexByte(line, ' ')])] = true
		}
		if len(names) != 1 {
			t.Errorf("%d columns: the second column is not aligned:\n%s", width, text)
		}
	}
}
