package progress

import (
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/containerd/console"
	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/termtext"
)

// A screen emulates a terminal with the few sequences that a frame may contain. All others
// fail the test.
type screen struct {
	t    *testing.T
	size size
	grid [][]string
	x, y int
	wrap bool
	gone []string // rows that have scrolled off
}

func newScreen(t *testing.T, s size) *screen {
	v := &screen{t: t, size: s, wrap: true}
	for range s.height {
		v.grid = append(v.grid, v.blank())
	}
	return v
}

func (v *screen) blank() []string { return slices.Repeat([]string{" "}, v.size.width) }

func (v *screen) text() []string {
	out := slices.Clone(v.gone)
	for _, r := range v.grid {
		out = append(out, strings.TrimRight(strings.Join(r, ""), " "))
	}
	return out
}

func (v *screen) down() {
	if v.y++; v.y == v.size.height {
		v.gone = append(v.gone, strings.TrimRight(strings.Join(v.grid[0], ""), " "))
		v.grid = append(v.grid[1:], v.blank())
		v.y--
	}
}

func (v *screen) write(p []byte) {
	for text := string(p); text != ""; {
		known := false
		for sequence, do := range map[string]func(){
			"\r": func() { v.x = 0 }, "\n": v.down, hideCursor: func() { v.wrap = false },
			showCursor: func() { v.wrap = true },
			"\x1b[2K":  func() { v.grid[v.y] = v.blank() },
			"\x1b[J": func() {
				copy(v.grid[v.y][min(v.x, v.size.width-1):], v.blank())
				for y := v.y + 1; y < v.size.height; y++ {
					v.grid[y] = v.blank()
				}
			},
			"\x1b[34m": func() {}, "\x1b[31m": func() {}, "\x1b[33m": func() {}, "\x1b[2m": func() {},
			"\x1b[0m": func() {},
		} {
			if strings.HasPrefix(text, sequence) {
				do()
				text, known = text[len(sequence):], true
				break
			}
		}
		if known {
			continue
		}
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			n := 0
			for ; rest != "" && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
				n = 10*n + int(rest[0]-'0')
			}
			if n > 0 && strings.HasPrefix(rest, "A") {
				v.y, text = max(0, v.y-n), rest[1:]
				continue
			}
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		v.put(r)
	}
}

func (v *screen) put(r rune) {
	if !termtext.Visible(r) {
		v.t.Fatalf("the frame has %U", r)
	}
	w := cells.RuneWidth(r)
	if w == 0 {
		return // a combining character
	}
	if v.wrap || v.x+w > v.size.width {
		v.t.Fatalf("%q is written at column %d of %d, wrap %v", r, v.x, v.size.width, v.wrap)
	}
	v.grid[v.y][v.x] = string(r)
	if w == 2 {
		v.grid[v.y][v.x+1] = ""
	}
	v.x += w
}

var nasty = []string{
	"\x1b[2J\x1b[H", "\x1b[10A", "\x1b[?1049h", "\r", "\n", "\r\n", "\x1b]0;t\a", "\x1b]", "日本語", "👩‍👩‍👧", "🇧🇷",
	"e\u0301", "\u202e", "\u009b2J", "\xff", "\t", "\b", "\x1bc", "\x1b[",
	"words of a usual line", strings.Repeat("long ", 60), "\x1b[31m", "\v\f", "\x0e", "ﷺ", "\u200b",
	"1\n2\n3\n4\n5\n6\n7\n8\n",
}

// After any output, the screen shows what was drawn, and the rows above are unchanged. At the
// end the whole list is there exactly once.
func TestTTYFramesMatchScreen(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		s := size{12 + random.IntN(90), 2 + random.IntN(30)}
		v := newScreen(t, s)
		v.write([]byte(hideCursor + "$ build\r\n" + showCursor))
		d := newTTYView(begun, round%2 == 0)
		for tick := range 40 {
			now := at(tick * 100)
			for range random.IntN(6) {
				id := random.IntN(15)
				piece := nasty[random.IntN(len(nasty))]
				d.apply(&event{at: now, kind: []Kind{Begin, Output, Output, Output, Count, End}[random.IntN(6)],
					id: id, text: piece + " name", data: []byte(piece), done: 5, total: int64(id)})
			}
			v.write(d.frame(now, s, false))
			if len(d.steps) > 0 {
				v.shows(d.draw(now, s), false)
			}
		}
		v.write(d.frame(at(6000), s, true))
		v.shows(d.draw(at(6000), size{width: s.width}), true)
		if got := v.text(); got[0] != "$ build" {
			t.Fatalf("round %d: above is %q", round, got[0])
		}
	}
}

// shows checks that rows are on the screen, starting at the cursor, or, for the last frame,
// above it.
func (v *screen) shows(rows []row, last bool) {
	v.t.Helper()
	all, y := v.text(), len(v.gone)+v.y
	if last {
		y -= len(rows)
	}
	for i, r := range rows {
		var want strings.Builder
		for _, c := range r.text { // the screen ignores characters without width
			if cells.RuneWidth(c) > 0 {
				want.WriteRune(c)
			}
		}
		if got := all[y+i]; got != strings.TrimRight(want.String(), " ") {
			v.t.Fatalf("row %d is %q, want %q", i, got, want.String())
		}
	}
	if last && y != 1 {
		v.t.Fatalf("the last drawing begins at row %d, not below the command", y)
	}
	for _, below := range all[y+len(rows):] {
		if below != "" {
			v.t.Fatalf("below stands %q", below)
		}
	}
}

// Two steps print concurrently to a real pseudo-terminal.
func TestDisplayOnTerminal(t *testing.T) {
	t.Setenv("CI", "") // may be set where the tests run
	master, name, err := console.NewPty()
	if err != nil {
		t.Skip("no pseudo-terminals here:", err)
	}
	defer master.Close()
	slave, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := master.Resize(console.WinSize{Width: 60, Height: 20}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	read := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // returns EIO when the slave is closed
		read <- string(all)
	}()
	d, err := New("auto", slave)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for id := range 2 {
		wait.Go(func() {
			d.Begin(id, "RUN something")
			for range 1000 {
				d.Output(id, []byte("a line\n"))
			}
			d.End(id, false, nil)
		})
	}
	wait.Wait()
	d.Pause()
	d.Resume()
	d.Close()
	d.Close()
	slave.Close()
	text := <-read
	last := text[strings.LastIndex(text, hideCursor):]
	if strings.Count(last, " => RUN something ") != 2 || !strings.Contains(last, "(2/2) FINISHED") ||
		!strings.HasSuffix(last, showCursor) {
		t.Errorf("%q", last)
	}
}

func TestNewSelectsMode(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for mode, want := range map[string]string{"auto": "#1 RUN x\n", "plain": "#1 RUN x\n", "quiet": "", "none": "",
		"rawjson": `"name":"RUN x","started":`} {
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		d, err := New(mode, file)
		if err != nil {
			t.Fatal(mode, err)
		}
		d.Begin(5, "RUN x")
		d.Output(5, []byte("text"))
		d.Count(5, "bytes", 1, 2)
		d.Pause()
		d.Resume()
		d.End(5, false, nil)
		d.Close()
		got, err := os.ReadFile(file.Name())
		if err != nil || !strings.Contains(string(got), want) || want == "" && len(got) > 0 {
			t.Errorf("%s: %q %v", mode, got, err)
		}
	}
	for _, mode := range []string{"tty", "loud"} {
		if _, err := New(mode, file); err == nil || !strings.Contains(err.Error(), "plain") {
			t.Errorf("%s: %v", mode, err)
		}
	}
}
