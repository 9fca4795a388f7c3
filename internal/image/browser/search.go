package browser

import (
	"path"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/minirun/minirun/internal/image/tree"
)

// search is the text that is searched for in the paths of files.
type search struct {
	isTyping bool
	text     string
	failed   bool
}

func (s *search) begin() { *s = search{isTyping: true} }

// typeSearch handles a key while the text is typed. The first match is selected at once.
func (m *model) typeSearch(key tea.KeyPressMsg) {
	switch name := key.String(); name {
	case "enter":
		m.search.isTyping = false
		return
	case "esc", "ctrl+c":
		m.search = search{}
		return
	case "backspace":
		if runes := []rune(m.search.text); len(runes) > 0 {
			m.search.text = string(runes[:len(runes)-1])
		}
	default:
		m.search.text += key.Text
	}
	m.focus = filesPane
	m.find(m.cursor, 1)
}

// findNext selects the next match, or the one before.
func (m *model) findNext(direction int) {
	if m.search.text != "" {
		m.focus = filesPane
		m.find(m.cursor+direction, direction)
	}
}

// find selects the first match from a row on. Directories that are closed are searched, too: those
// above the match are opened.
func (m *model) find(from, direction int) {
	if m.search.failed = m.search.text == ""; m.search.failed {
		return
	}
	all := m.allFiles()
	if len(all) == 0 {
		m.search.failed = true
		return
	}
	at := m.position(all, from)
	for range all {
		at = (at + len(all)) % len(all)
		if n := all[at]; strings.Contains(strings.ToLower(n.Path), strings.ToLower(m.search.text)) {
			m.reveal(n)
			return
		}
		at += direction
	}
	m.search.failed = true
}

// allFiles lists the files that are shown, as if all directories were open.
func (m *model) allFiles() []*tree.Node {
	open := model{mode: m.mode, hidden: m.hidden, wastedOnly: m.wastedOnly, root: m.root}
	open.addRows(open.root, 0)
	out := make([]*tree.Node, len(open.rows))
	for n, r := range open.rows {
		out[n] = r.node
	}
	return out
}

// position returns the position in all files of a row, which may be just outside the list.
func (m *model) position(all []*tree.Node, row int) int {
	if len(m.rows) == 0 {
		return 0
	}
	near := clamp(row, 0, len(m.rows)-1)
	for n, f := range all {
		if f == m.rows[near].node {
			return n + row - near
		}
	}
	return 0
}

// reveal selects a file, and opens the directories above it.
func (m *model) reveal(n *tree.Node) {
	for dir := path.Dir(n.Path); dir != "/" && dir != "."; dir = path.Dir(dir) {
		delete(m.closed, dir)
	}
	m.listRows()
	m.selectPath(n.Path)
}
