package images

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/containerd/console"

	"github.com/minirun/minirun/tests/testbundle"
)

// wastefulImage returns a store with the image app, whose upper layers hide files.
func wastefulImage(t *testing.T) *store {
	t.Helper()
	s, l := newStore(t), newLayout(t)
	l.add("app", runs("sh"),
		layer{command: "ADD base", entries: []tar.Header{dir("etc"), file("etc/hosts", "1"), file("etc/big",
			strings.Repeat("x", 3000))}},
		layer{command: "RUN rm /etc/big", entries: []tar.Header{file("etc/.wh.big", "")}},
		layer{command: "COPY hosts /etc", entries: []tar.Header{file("etc/hosts", "22")}})
	s.Do("load", "-q", l.dir)
	return s
}

// TestLayersAsJSON lists the files of each layer, with the layer that hides them.
func TestLayersAsJSON(t *testing.T) {
	s := wastefulImage(t)
	var layers []struct {
		Number int
		Wasted int64
		Files  []struct {
			Path, What string
			HiddenBy   int
		}
	}
	s.JSON(&layers, "layers", "--json", "app")
	hidden := map[string]int{}
	for _, f := range layers[0].Files {
		hidden[f.Path] = f.HiddenBy
	}
	if len(layers) != 3 || layers[1].Wasted != 3000 || hidden["/etc/big"] != 2 || hidden["/etc/hosts"] != 3 ||
		hidden["/etc"] != 0 || layers[1].Files[1].What != "removed" {
		t.Errorf("%+v", layers)
	}
	s.JSON(&layers, "layers", "--json", "--range", "2-2", "app")
	if len(layers) != 1 || layers[0].Number != 2 {
		t.Errorf("%+v", layers)
	}
}

// layersOnTerminal starts `layers` on a terminal of 100 columns.
func (s *store) layersOnTerminal(t *testing.T, args ...string) (*testbundle.Pty, func() error) {
	t.Helper()
	pty := testbundle.NewPty(t)
	if err := pty.Master.Resize(console.WinSize{Width: 100, Height: 24}); err != nil {
		t.Fatal(err)
	}
	cmd := s.Command(append([]string{"layers"}, args...)...)
	cmd.Env = append(cmd.Environ(), "TERM=xterm")
	pty.Attach(cmd)
	s.Start(cmd)
	return pty, cmd.Wait
}

// TestLayersOnTerminal: the browser follows keys, and leaves the terminal as it was.
func TestLayersOnTerminal(t *testing.T) {
	s := wastefulImage(t)
	pty, wait := s.layersOnTerminal(t, "app")
	before := pty.Termios()
	pty.Expect("\x1b[?1049h")
	for _, step := range []struct{ keys, want string }{
		{"", "efficiency"}, {"", "FILES of layer 3"}, {"j\x0c", "FILES of layer 2"}, {"d\x0c", "DIFFERENCE between"},
		{"G\x0c", "DIFFERENCE between layers 1 and 2"}, {"\x1b\x0c", "FILES of layer 1"}, {"m\x0c", "ALL FILES after layer 1"},
		{"m\t\x0c", "FILES of layer 1"}, {"/big\r\x0c", "n next  N previous"}, {"\x1b\x0c", "wasted: layer 2 changes or removes it"},
		{"a\x0c", "[ ] a added"}, {"?\x0c", "Press any key"}, {"x\x0c", "[ ] a added"},
	} {
		if keys, isEscape := strings.CutPrefix(step.keys, "\x1b"); isEscape { // separately, or it would be alt and a key
			pty.Type("\x1b")
			pty.Rest()
			step.keys = keys
		}
		pty.Type(step.keys)
		pty.Expect(step.want)
	}
	// rmi does not wait for the browser.
	s.Do("rmi", "app")
	pty.Type("q")
	pty.Expect("\x1b[?1049l")
	if err := wait(); err != nil {
		t.Error(err)
	}
	if after := pty.Termios(); after.Lflag != before.Lflag || after.Iflag != before.Iflag {
		t.Errorf("the terminal's flags changed from %x %x to %x %x", before.Lflag, before.Iflag, after.Lflag, after.Iflag)
	}
}

// TestLayersWithoutBrowser: with a flag, or without a terminal, the table is printed.
func TestLayersWithoutBrowser(t *testing.T) {
	s := wastefulImage(t)
	if out := s.Do("layers", "app"); !strings.HasPrefix(out, "LAYER ") || strings.Contains(out, "\x1b") {
		t.Errorf("%q", out)
	}
	for _, flags := range [][]string{{"--format", "table"}, {"--tree"}, {"--range", "1-2"}, {"--why", "/etc/big"}} {
		pty, wait := s.layersOnTerminal(t, append(flags, "app")...)
		if err := wait(); err != nil && flags[0] != "--why" {
			t.Errorf("%v: %v", flags, err)
		}
		if out := pty.Rest(); strings.Contains(out, "\x1b[?1049h") {
			t.Errorf("%v: %q", flags, out)
		}
	}
}
