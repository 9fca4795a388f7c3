// Package browser shows the layers of an image and their files on a terminal.
//
//	browser.go  the state of the display, and what keys change
//	files.go    the tree of files → rows
//	search.go   /, n and N
//	view.go     the state → the text on the screen
package browser

import (
	"context"
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/minirun/minirun/internal/image/tree"
)

// A Layer is a layer in the list.
type Layer struct {
	Command string // the instruction that created it
	Bytes   int64
	Wasted  int64
}

// An Image is what is shown. Layers are listed lowest first.
type Image struct {
	Name   string
	Layers []Layer
	Tree   *tree.Image
}

// Show shows an image until the user quits.
func Show(ctx context.Context, i Image) error {
	_, err := tea.NewProgram(newModel(i), tea.WithContext(ctx), tea.WithoutSignalHandler()).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// A mode selects which files are shown.
type mode uint8

const (
	changesMode    mode = iota // those of the selected layer
	mergedMode                 // all that a container sees after it
	differenceMode             // those that differ between two layers
)

// A pane is a half of the screen.
type pane uint8

const (
	layersPane pane = iota
	filesPane
)

// model is the state of the display.
type model struct {
	image         Image
	width, height int
	focus         pane
	layer         int // the number of the selected layer
	base          int // the number of the other layer of a difference
	mode          mode
	hidden        map[tree.State]bool // states that are not shown
	wastedOnly    bool
	closed        map[string]bool // directories whose content is not shown
	root          *tree.Node
	rows          []row
	cursor        int // in rows
	search        search
	showsHelp     bool
}

func newModel(i Image) *model {
	m := &model{image: i, width: 80, height: 24, layer: len(i.Layers), hidden: map[tree.State]bool{},
		closed: map[string]bool{}}
	m.loadTree()
	return m
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		if msg.Width > 0 && msg.Height > 0 { // a terminal may not know its size
			m.width, m.height = msg.Width, msg.Height
		}
	case tea.KeyPressMsg:
		if m.search.isTyping {
			m.typeSearch(msg)
			return m, nil
		}
		return m, m.press(msg.String())
	}
	return m, nil
}

// press handles a key.
func (m *model) press(key string) tea.Cmd {
	if m.showsHelp && !strings.HasPrefix(key, "ctrl+") {
		m.showsHelp = false
		return nil
	}
	switch key {
	case "q", "ctrl+c":
		return tea.Quit
	case "ctrl+z":
		return tea.Suspend
	case "ctrl+l":
		return tea.ClearScreen
	case "?", "h":
		m.showsHelp = true
	case "tab", "shift+tab":
		m.focus = filesPane - m.focus
	case "/":
		m.search.begin()
	case "n":
		m.findNext(1)
	case "N":
		m.findNext(-1)
	case "esc":
		m.search, m.base = search{}, 0
		if m.mode == differenceMode {
			m.mode = changesMode
			m.loadTree()
		}
	case "m":
		m.toggleMode(mergedMode)
	case "d":
		m.base = m.layer
		m.toggleMode(differenceMode)
	case "a":
		m.toggleState(tree.Added)
	case "c":
		m.toggleState(tree.Changed)
	case "r":
		m.toggleState(tree.Removed)
	case "u":
		m.toggleState(tree.Unchanged)
	case "w":
		m.wastedOnly = !m.wastedOnly
		m.listRows()
	default:
		m.move(key)
	}
	return nil
}

// move handles the keys that move the selection.
func (m *model) move(key string) {
	page := max(m.listHeight()-1, 1)
	steps := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -page, "pgdown": page, "ctrl+b": -page,
		"ctrl+f": page, "home": -1 << 30, "g": -1 << 30, "end": 1 << 30, "G": 1 << 30}
	if n, ok := steps[key]; ok {
		if m.focus == layersPane {
			m.selectLayer(m.layer - n) // the topmost layer comes first
			return
		}
		m.cursor = clamp(m.cursor+n, 0, len(m.rows)-1)
		return
	}
	switch key {
	case "enter", "space":
		if m.focus == layersPane {
			m.focus = filesPane
			return
		}
		m.toggleDirectory()
	case "right", "l":
		m.openDirectory()
	case "left":
		m.closeDirectory()
	}
}

func (m *model) selectLayer(number int) {
	if number = clamp(number, 1, len(m.image.Layers)); number != m.layer {
		m.layer = number
		m.loadTree()
	}
}

// toggleMode turns a mode on, or returns to the files of the layer.
func (m *model) toggleMode(to mode) {
	if m.mode == to {
		to = changesMode
	}
	m.mode = to
	m.loadTree()
}

func (m *model) toggleState(s tree.State) {
	m.hidden[s] = !m.hidden[s]
	m.listRows()
}

// loadTree computes the tree that is shown.
func (m *model) loadTree() {
	switch {
	case len(m.image.Layers) == 0:
		m.root = &tree.Node{Dir: true}
	case m.mode == mergedMode:
		m.root = m.image.Tree.Merged(m.layer)
	case m.mode == differenceMode:
		m.root = m.image.Tree.Difference(min(m.base, m.layer), max(m.base, m.layer))
	default:
		m.root = m.image.Tree.Layer(m.layer)
	}
	m.listRows()
	m.cursor = clamp(m.cursor, 0, len(m.rows)-1)
}

// clamp returns the number between two limits that is closest to n. If there is none, it is the first.
func clamp(n, least, most int) int { return max(least, min(n, most)) }
