package formatter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/minirun/minirun/internal/termtext"
)

// Columns is a table that can be made narrower, for a terminal. The first line is the header.
type Columns struct {
	names []string // placeholders
	cells [][]string
	gap   int // between columns
}

const (
	normalGap = 3
	narrowGap = 2
)

// NewColumns returns the columns with these names, which are placeholders of the rows.
func (t Table) NewColumns(names ...string) *Columns {
	c := &Columns{names: slices.Clone(names), gap: normalGap}
	var first []string
	for _, name := range names {
		first = append(first, t.Headers[name])
	}
	c.cells = append(c.cells, first)
	for _, row := range t.Rows {
		var line []string
		for _, name := range names {
			line = append(line, termtext.Line(fmt.Sprint(row[name])))
		}
		c.cells = append(c.cells, line)
	}
	return c
}

// A Narrowing is something that may be done to a table that is too wide: a column becomes narrower, down
// to a width, or is removed.
type Narrowing struct {
	Column string
	Least  int // or one of the constants
}

// What happens to a column instead of becoming narrower.
const (
	RemoveEmpty = 0
	RemoveAny   = -1
)

// Replace changes the texts of columns.
func (t *Columns) Replace(r *strings.Replacer, columns ...string) {
	for _, line := range t.cells {
		for i, name := range t.names {
			if slices.Contains(columns, name) {
				line[i] = r.Replace(line[i])
			}
		}
	}
}

// Fit makes the table fit into a number of columns of a terminal, if these steps, in their order, make
// that possible.
func (t *Columns) Fit(width int, steps []Narrowing) {
	if t.Width() <= width {
		return
	}
	t.gap = narrowGap
	for _, n := range steps {
		if t.Width() <= width {
			return
		}
		column := slices.Index(t.names, n.Column)
		switch {
		case column < 0:
		case n.Least == RemoveAny, n.Least == RemoveEmpty && t.isEmpty(column):
			t.remove(column)
		case n.Least > 0:
			t.clip(column, max(n.Least, t.widest(column)-(t.Width()-width)))
		}
	}
}

// Width returns the width of the table.
func (t *Columns) Width() int {
	sum := t.gap * (len(t.names) - 1)
	for column := range t.names {
		sum += t.widest(column)
	}
	return sum
}

// widest returns the width of the widest cell in a column.
func (t *Columns) widest(column int) (most int) {
	for _, line := range t.cells {
		most = max(most, termtext.Columns(line[column]))
	}
	return most
}

func (t *Columns) isEmpty(column int) bool {
	for _, line := range t.cells[1:] {
		if line[column] != "" {
			return false
		}
	}
	return true
}

func (t *Columns) remove(column int) {
	t.names = slices.Delete(t.names, column, column+1)
	for i := range t.cells {
		t.cells[i] = slices.Delete(t.cells[i], column, column+1)
	}
}

// clip shortens the cells of a column. A quoted one keeps its quotes.
func (t *Columns) clip(column, most int) {
	for _, line := range t.cells {
		text := line[column]
		inner, quoted := strings.CutPrefix(text, `"`)
		switch {
		case termtext.Columns(text) <= most:
		case quoted:
			line[column] = `"` + termtext.Clip(strings.TrimSuffix(inner, `"`), most-2) + `"`
		default:
			line[column] = termtext.Clip(text, most)
		}
	}
}

// Text returns the lines, without spaces at their ends.
func (t *Columns) Text() string {
	widths := make([]int, len(t.names))
	for column := range t.names {
		widths[column] = t.widest(column) + t.gap
	}
	var out strings.Builder
	for _, line := range t.cells {
		var row strings.Builder
		for column, cell := range line {
			row.WriteString(cell + strings.Repeat(" ", widths[column]-termtext.Columns(cell)))
		}
		out.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	return out.String()
}
