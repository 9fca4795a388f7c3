package browser

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/mattn/go-runewidth"

	"github.com/minirun/minirun/internal/image/layer"
	"github.com/minirun/minirun/internal/image/tree"
)

// newTestModel returns a display of an image with three layers.
func newTestModel() *model {
	add := func(path string, size int64) layer.Change {
		return layer.Change{Path: path, What: layer.Added, Size: size}
	}
	dir := func(path string) layer.Change { return layer.Change{Path: path, What: layer.Added, Dir: true} }
	layers := []*layer.Difference{
		{Bytes: 300, Files: []layer.Change{dir("/etc"), add("/etc/hosts", 100), dir("/usr"), add("/usr/big", 200)}},
		{Bytes: 50, Wasted: 200, Files: []layer.Change{{Path: "/usr", What: layer.Parent, Dir: true},
			{Path: "/usr/big", What: layer.Removed}, add("/usr/\x1b[31mred", 50)}},
		{Bytes: 10, Wasted: 100, Files: []layer.Change{{Path: "/etc", What: layer.Parent, Dir: true},
			{Path: "/etc/hosts", What: layer.Changed, Size: 10}}},
	}
	return newModel(Image{Name: "app:1", Tree: tree.New(layers), Layers: []Layer{{"ADD base", 300, 0},
		{"RUN rm /usr/big", 50, 200}, {"COPY hosts /etc", 10, 100}}})
}

// press types keys, separated by spaces.
func press(m *model, keys string) {
	special := map[string]tea.KeyPressMsg{
		"tab": {Code: tea.KeyTab}, "enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape},
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft},
		"right": {Code: tea.KeyRight}, "backspace": {Code: tea.KeyBackspace}, "end": {Code: tea.KeyEnd},
	}
	for key := range strings.FieldsSeq(keys) {
		msg, ok := special[key]
		if !ok {
			r := []rune(key)[0]
			msg = tea.KeyPressMsg{Code: r, Text: key}
		}
		m.Update(msg)
	}
}

// shown returns the names of the listed files, and the number of the selected layer.
func shown(m *model) string {
	var out []string
	for n, r := range m.rows {
		name := r.node.Name
		if n == m.cursor && m.focus == filesPane {
			name = "[" + name + "]"
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestKeys(t *testing.T) {
	for keys, want := range map[string]string{
		"":                      "etc hosts",
		"down":                  "usr \x1b[31mred big",
		"down down":             "etc hosts usr big",
		"end up":                "usr \x1b[31mred big",
		"m":                     "etc hosts usr \x1b[31mred",
		"m u":                   "etc hosts",
		"down r":                "usr \x1b[31mred",
		"down r a":              "",
		"end w":                 "etc hosts usr big",
		"end d up":              "usr \x1b[31mred big",
		"end d up up":           "etc hosts usr \x1b[31mred big",
		"end d up up esc":       "etc hosts",
		"end tab":               "[etc] hosts usr big",
		"end tab enter":         "[etc] usr big",
		"end tab left left":     "etc usr big",
		"end tab down left":     "[etc] hosts usr big",
		"end tab end left":      "etc hosts [usr] big",
		"end / b i g":           "etc hosts usr [big]",
		"end / b i x":           "etc hosts usr [big]",
		"end tab enter / h o s": "etc [hosts] usr big",
		"end / s enter n":       "etc hosts [usr] big",
		"end / s enter n N":     "etc [hosts] usr big",
		"down / R E D":          "usr [\x1b[31mred] big",
	} {
		m := newTestModel()
		if press(m, keys); shown(m) != want {
			t.Errorf("%q: %q, want %q", keys, shown(m), want)
		}
	}
}

// TestScreenFits: every line has the width of the terminal, whatever is selected, and no name can send
// control sequences.
func TestScreenFits(t *testing.T) {
	strip := strings.NewReplacer(reset, "", bold, "", reverse, "", dim, "", red, "", green, "", yellow, "", underline, "")
	for _, size := range [][2]int{{80, 24}, {40, 8}, {200, 60}} {
		for _, keys := range []string{"", "down", "end tab down", "m", "end d up", "/ x"} {
			m := newTestModel()
			m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			press(m, keys)
			lines := strings.Split(strip.Replace(m.screen()), "\n")
			if len(lines) != size[1] {
				t.Errorf("%v, %q: %d lines", size, keys, len(lines))
			}
			for _, l := range lines {
				if runewidth.StringWidth(l) != size[0] || strings.Contains(l, "\x1b") {
					t.Errorf("%v, %q: %d columns: %q", size, keys, runewidth.StringWidth(l), l)
				}
			}
		}
	}
}

func TestScreenShowsDetails(t *testing.T) {
	for keys, want := range map[string]string{
		"": "efficiency 16.7%, 300B wasted", "down": "hides 200B of lower layers; RUN rm /usr/big",
		"end tab down": "/etc/hosts   of layer 1   wasted: layer 3 changes or removes it", "end": "+w      100B    hosts",
		"m": "ALL FILES after layer 3", "end d up up": "DIFFERENCE between layers 1 and 3", "a": "[ ] a added",
		"w": "[x] w wasted only", "/ x": "(not found)", "?": "Press any key", "? x": "FILES of layer 3",
		"down tab": "usr/", "down tab enter": "usr/ …",
	} {
		m := newTestModel()
		m.Update(tea.WindowSizeMsg{Width: 120, Height: 20})
		if press(m, keys); !strings.Contains(m.screen(), want) {
			t.Errorf("%q: %q is missing in\n%s", keys, want, m.screen())
		}
	}
	m := newTestModel()
	m.Update(tea.WindowSizeMsg{Width: 20, Height: 5})
	if !strings.Contains(m.screen(), "20 columns and 5 lines") {
		t.Error(m.screen())
	}
	m.Update(tea.WindowSizeMsg{})
	if m.width != 20 {
		t.Error("a terminal without a size changed the size")
	}
}

func TestImageWithoutLayers(t *testing.T) {
	m := newModel(Image{Name: "empty", Tree: tree.New(nil)})
	press(m, "down up tab down enter left / x enter n m d w end")
	if !strings.Contains(m.screen(), "no files to show") {
		t.Error(m.screen())
	}
}
