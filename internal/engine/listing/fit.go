package listing

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/minirun/minirun/internal/termtext"
)

// A textTable has the texts of a table's cells; the first line is the header.
type textTable struct {
	names []string // of the columns: placeholders
	cells [][]string
	gap   int // between columns
}

const (
	normalGap = 3
	narrowGap = 2
)

// What happens to a column instead of becoming narrower.
const (
	removeEmpty = 0
	removeAny   = -1
)

// narrow lists what may be done to a table that is too wide, in this order: columns become narrower,
// down to a width, or are removed. Names and IDs stay: they are copied.
var narrow = []struct {
	column string
	least  int
}{
	{"Command", commandWidth + 2}, {"Ports", removeEmpty}, {"Command", 12}, {"Image", 20}, {"RunningFor", removeAny},
	{"Ports", 22}, {"Image", 12}, {"Command", 8},
}

// shorter are shorter words for the ages of new containers.
var shorter = strings.NewReplacer("Less than a second", "1 second", "About a minute", "1 minute",
	"About an hour", "1 hour")

// fit makes the table fit into a number of columns of a terminal, if that is possible.
func (t *textTable) fit(width int) {
	if t.width() <= width {
		return
	}
	t.gap = narrowGap
	for _, line := range t.cells {
		for column := range line {
			if name := t.names[column]; name == "RunningFor" || name == "Status" {
				line[column] = shorter.Replace(line[column])
			}
		}
	}
	for _, n := range narrow {
		if t.width() <= width {
			return
		}
		column := slices.Index(t.names, n.column)
		switch {
		case column < 0:
		case n.least == removeAny, n.least == removeEmpty && t.isEmpty(column):
			t.remove(column)
		case n.least > 0:
			t.clip(column, max(n.least, t.widest(column)-(t.width()-width)))
		}
	}
}

// width returns the width of the table.
func (t *textTable) width() int {
	sum := t.gap * (len(t.names) - 1)
	for column := range t.names {
		sum += t.widest(column)
	}
	return sum
}

// widest returns the width of the widest cell in a column.
func (t *textTable) widest(column int) (most int) {
	for _, line := range t.cells {
		most = max(most, utf8.RuneCountInString(line[column]))
	}
	return most
}

func (t *textTable) isEmpty(column int) bool {
	for _, line := range t.cells[1:] {
		if line[column] != "" {
			return false
		}
	}
	return true
}

func (t *textTable) remove(column int) {
	t.names = slices.Delete(t.names, column, column+1)
	for i := range t.cells {
		t.cells[i] = slices.Delete(t.cells[i], column, column+1)
	}
}

// clip shortens the cells of a column. A quoted one keeps its quotes.
func (t *textTable) clip(column, most int) {
	for _, line := range t.cells {
		text := line[column]
		inner, quoted := strings.CutPrefix(text, `"`)
		switch {
		case utf8.RuneCountInString(text) <= most:
		case quoted:
			line[column] = `"` + termtext.Clip(strings.TrimSuffix(inner, `"`), most-2) + `"`
		default:
			line[column] = termtext.Clip(text, most)
		}
	}
}

// text returns the lines, without spaces at their ends.
func (t *textTable) text() string {
	widths := make([]int, len(t.names))
	for column := range t.names {
		widths[column] = t.widest(column) + t.gap
	}
	var out strings.Builder
	for _, line := range t.cells {
		var row strings.Builder
		for column, cell := range line {
			row.WriteString(cell + strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell)))
		}
		out.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	return out.String()
}
