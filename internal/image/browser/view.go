package browser

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/docker/go-units"
	"github.com/mattn/go-runewidth"

	"github.com/minirun/minirun/internal/image/tree"
	"github.com/minirun/minirun/internal/termtext"
)

// SGR sequences. The library leaves colors out if the terminal has none, or NO_COLOR is set.
const (
	reset, bold, reverse, dim     = "\x1b[0m", "\x1b[1m", "\x1b[7m", "\x1b[2m"
	red, green, yellow, underline = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[4m"
)

const (
	headLines = 2 // title and heads of columns
	footLines = 3 // details and keys
	minHeight = headLines + footLines + 3
	minWidth  = 40
	gap       = " │ "
)

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(m.screen())
	v.AltScreen = true
	return v
}

// listHeight returns how many rows a list has.
func (m *model) listHeight() int { return max(m.height-headLines-footLines, 1) }

// screen returns the lines of the screen.
func (m *model) screen() string {
	if m.width < minWidth || m.height < minHeight {
		return fmt.Sprintf("The terminal has %d columns and %d lines.\n%d and %d are needed. Quit with q.", m.width,
			m.height, minWidth, minHeight)
	}
	if m.showsHelp {
		return help
	}
	left := min(44, m.width*2/5)
	right := m.width - left - runewidth.StringWidth(gap)
	lines := []string{
		bold + fit(m.title(), m.width) + reset,
		m.head(layersPane, "LAYER     SIZE   CREATED BY", left) + gap + m.head(filesPane, m.filesTitle(), right),
	}
	layers, files := m.layerLines(left), m.fileLines(right)
	for n := range m.listHeight() {
		lines = append(lines, layers[n]+gap+files[n])
	}
	return strings.Join(append(lines, m.footer()...), "\n")
}

func (m *model) title() string {
	total, wasted := m.image.Tree.Bytes()
	return fmt.Sprintf("%s   %d layers, %s   efficiency %.1f%%, %s wasted", termtext.Text(m.image.Name),
		len(m.image.Layers), size(total), m.image.Tree.Efficiency(), size(wasted))
}

func (m *model) filesTitle() string {
	switch m.mode {
	case mergedMode:
		return fmt.Sprintf("ALL FILES after layer %d", m.layer)
	case differenceMode:
		return fmt.Sprintf("DIFFERENCE between layers %d and %d", min(m.base, m.layer), max(m.base, m.layer))
	}
	return fmt.Sprintf("FILES of layer %d", m.layer)
}

func (m *model) head(p pane, text string, width int) string {
	if m.focus == p {
		return underline + bold + fit(text, width) + reset
	}
	return dim + fit(text, width) + reset
}

// layerLines returns the lines of the list of layers, topmost layer first.
func (m *model) layerLines(width int) []string {
	count := len(m.image.Layers)
	lines, at := make([]string, m.listHeight()), scroll(count-m.layer, count, m.listHeight())
	for n := range lines {
		number := count - at - n
		if number < 1 {
			lines[n] = strings.Repeat(" ", width)
			continue
		}
		l, mark := m.image.Layers[number-1], " "
		if number == m.base && m.mode == differenceMode {
			mark = "d"
		}
		text := fit(fmt.Sprintf("%s%3d %9s   %s", mark, number, size(l.Bytes), termtext.Text(l.Command)), width)
		lines[n] = m.highlight(text, number == m.layer, layersPane)
	}
	return lines
}

// highlight marks the selected row of a list.
func (m *model) highlight(text string, isSelected bool, p pane) string {
	switch {
	case isSelected && m.focus == p:
		return reverse + text + reset
	case isSelected:
		return bold + text + reset
	}
	return text
}

// fileLines returns the lines of the list of files.
func (m *model) fileLines(width int) []string {
	lines, at := make([]string, m.listHeight()), scroll(m.cursor, len(m.rows), m.listHeight())
	for n := range lines {
		if at+n >= len(m.rows) {
			lines[n] = strings.Repeat(" ", width)
			continue
		}
		r := m.rows[at+n]
		text := fit(m.fileText(r), width)
		if isSelected := at+n == m.cursor; isSelected {
			lines[n] = m.highlight(text, true, filesPane)
		} else {
			lines[n] = color(r.node) + text + reset
		}
	}
	if len(m.rows) == 0 {
		lines[0] = dim + fit("no files to show", width) + reset
	}
	return lines
}

// fileText returns a row: the sign of its state, w if a later layer hides it, its size and its name.
func (m *model) fileText(r row) string {
	n, wasted, suffix := r.node, " ", ""
	if n.HiddenBy > 0 {
		wasted = "w"
	}
	if n.Dir {
		if suffix = "/"; m.closed[n.Path] {
			suffix = "/ …"
		}
	}
	return fmt.Sprintf("%c%s %9s  %s%s%s", " +~-"[n.State], wasted, size(n.Size), strings.Repeat("  ", r.depth),
		termtext.Text(n.Name), suffix)
}

func color(n *tree.Node) string {
	switch n.State {
	case tree.Added:
		return green
	case tree.Changed:
		return yellow
	case tree.Removed:
		return red
	}
	return ""
}

// footer returns the details of the selection and the keys.
func (m *model) footer() []string {
	keys := "tab pane  ↑↓ move  enter open/close  / search  m all files  d difference  ? help  q quit"
	toggles := "show:"
	for _, t := range []struct {
		text  string
		shown bool
	}{
		{"a added", !m.hidden[tree.Added]}, {"c changed", !m.hidden[tree.Changed]},
		{"r removed", !m.hidden[tree.Removed]}, {"u unchanged", !m.hidden[tree.Unchanged]},
		{"w wasted only", m.wastedOnly},
	} {
		mark := " "
		if t.shown {
			mark = "x"
		}
		toggles += fmt.Sprintf("  [%s] %s", mark, t.text)
	}
	return []string{fit(m.details(), m.width), fit(toggles, m.width), reverse + fit(keys, m.width) + reset}
}

// details describes the selection, or the search.
func (m *model) details() string {
	if m.search.isTyping || m.search.text != "" {
		text := "/" + termtext.Text(m.search.text)
		switch {
		case m.search.failed && m.search.text != "":
			return text + "   (not found)"
		case m.search.isTyping:
			return text + "_"
		}
		return text + "   n next  N previous  esc end"
	}
	if m.focus == layersPane && m.layer > 0 && m.layer <= len(m.image.Layers) {
		l := m.image.Layers[m.layer-1]
		return fmt.Sprintf("hides %s of lower layers; %s", size(l.Wasted), termtext.Text(l.Command))
	}
	n := m.selected()
	if n == nil {
		return ""
	}
	text := termtext.Text(n.Path)
	if n.Layer > 0 {
		text += fmt.Sprintf("   of layer %d", n.Layer)
	}
	if n.HiddenBy > 0 {
		text += fmt.Sprintf("   wasted: layer %d changes or removes it", n.HiddenBy)
	}
	return text
}

// scroll returns the first row to show of a list, so that the selected one is in the middle if possible.
func scroll(selected, count, height int) int { return clamp(selected-height/2, 0, count-height) }

// fit returns text with an exact width.
func fit(text string, width int) string {
	return runewidth.FillRight(runewidth.Truncate(text, width, "…"), width)
}

func size(n int64) string { return units.HumanSize(float64(n)) }

// help is shown by the key ?.
const help = `The layers of an image, and the files that each adds (+), changes (~) and removes (-).

tab              go to the other list           q            quit
↑ ↓ k j          move                           PgUp PgDn    a page
g G Home End     first, last                    ctrl-l       draw again
enter space      open or close a directory      ← →          close, open

m   show all files that a container sees after the layer, or only those of the layer
d   show the difference: select one layer, press d, and select another one
a c r u   show or hide added, changed, removed and unchanged files
w   show only wasted files: a later layer changes or removes them, so they only take space
/   search in the paths; n is the next match, N the one before, esc ends the search

Efficiency is the share of the size of all layers that a container sees.
Press any key.`
