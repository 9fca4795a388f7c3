package progress

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// tty draws a board in place. Between frames the cursor stays on the first row: wherever a
// terminal moves that row when its size changes, the next frame starts there. A frame is one
// write that leaves all modes of the terminal unchanged, so a killed process leaves nothing to
// repair.
type tty struct {
	*board
	colour bool
	before []byte // the frame on the screen
}

func newTTY(now time.Time, colour bool) *tty { return &tty{board: newBoard(now), colour: colour} }

func (t *tty) waiting() int { return 0 }

func (t *tty) apply(e *event) { t.board.apply(e, nil) }

const (
	hide = "\x1b[?25l\x1b[?7l" // hides the cursor, and turns off wrapping in case a line is wider than expected
	show = "\x1b[?7h\x1b[?25h"
)

// frame returns the bytes that draw the rows. The last frame has all rows, even if they exceed
// the height of the terminal, and leaves the cursor below them.
func (t *tty) frame(now time.Time, s size, last bool) []byte {
	if len(t.steps) == 0 {
		return nil
	}
	if last {
		s.height = 0
	}
	rows := t.draw(now, s)
	var out bytes.Buffer
	out.WriteString(hide + "\r")
	for _, r := range rows {
		// Erase before writing: erasing after it would remove a character in the last column.
		out.WriteString("\x1b[2K" + t.painted(r) + "\r\n")
	}
	out.WriteString("\x1b[J")
	if !last && len(rows) > 0 {
		out.WriteString("\x1b[" + strconv.Itoa(len(rows)) + "A")
	}
	out.WriteString(show)
	if !last && bytes.Equal(out.Bytes(), t.before) {
		return nil
	}
	t.before = out.Bytes()
	return t.before
}

func (t *tty) painted(r row) string {
	colour := map[look]string{good: "34", bad: "31", warning: "33", dim: "2"}[r.look]
	if !t.colour || colour == "" {
		return r.text
	}
	return "\x1b[" + colour + "m" + r.text + "\x1b[0m"
}

func (t *tty) end() []byte { return []byte(strings.ReplaceAll(t.failures(), "\n", "\r\n")) }
