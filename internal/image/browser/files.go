package browser

import (
	"path"

	"github.com/minirun/minirun/internal/image/tree"
)

// A row is a file in the list.
type row struct {
	node  *tree.Node
	depth int
}

// listRows lists the files that are shown. The selection stays on the same file, if it is still there.
func (m *model) listRows() {
	selected := m.selected()
	m.rows = nil
	m.addRows(m.root, 0)
	m.cursor = clamp(m.cursor, 0, len(m.rows)-1)
	if selected != nil {
		m.selectPath(selected.Path)
	}
}

// addRows adds the content of a directory, except what is closed.
func (m *model) addRows(dir *tree.Node, depth int) {
	for _, n := range dir.Children {
		if !m.isShown(n) {
			continue
		}
		m.rows = append(m.rows, row{n, depth})
		if !m.closed[n.Path] {
			m.addRows(n, depth+1)
		}
	}
}

// isShown reports whether a file has a state that is shown, or contains such a file.
func (m *model) isShown(n *tree.Node) bool {
	isDirOnly := n.Dir && n.State == tree.Unchanged && (len(n.Children) > 0 || m.mode != mergedMode)
	if !isDirOnly && !m.hidden[n.State] && (!m.wastedOnly || n.HiddenBy > 0 && n.Size > 0 && !n.Dir) {
		return true
	}
	for _, c := range n.Children {
		if m.isShown(c) {
			return true
		}
	}
	return false
}

// selected returns the selected file, or nil.
func (m *model) selected() *tree.Node {
	if m.cursor < 0 || m.cursor >= len(m.rows) {
		return nil
	}
	return m.rows[m.cursor].node
}

// selectPath selects a file, or the closest directory above it that is listed.
func (m *model) selectPath(name string) {
	for ; name != "/" && name != "."; name = path.Dir(name) {
		for n, r := range m.rows {
			if r.node.Path == name {
				m.cursor = n
				return
			}
		}
	}
}

func (m *model) toggleDirectory() {
	if n := m.selected(); n != nil && n.Dir {
		m.closed[n.Path] = !m.closed[n.Path]
		m.listRows()
	}
}

func (m *model) openDirectory() {
	if n := m.selected(); m.focus == filesPane && n != nil && m.closed[n.Path] {
		m.toggleDirectory()
		return
	}
	m.focus = filesPane
}

// closeDirectory closes the selected directory or, if it is closed or not a directory, selects the one
// above it. At the top level it selects the list of layers.
func (m *model) closeDirectory() {
	n := m.selected()
	switch {
	case m.focus == layersPane || n == nil:
		m.focus = layersPane
	case n.Dir && !m.closed[n.Path] && len(n.Children) > 0:
		m.toggleDirectory()
	case path.Dir(n.Path) == "/":
		m.focus = layersPane
	default:
		m.selectPath(path.Dir(n.Path))
	}
}
