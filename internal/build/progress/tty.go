package progress

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// tty draws a board in place. Between frames the cursor stays on the first row:
// wherever a terminal moves that one when its size changes, the next frame begins
// there. A frame is one write that leaves no mode of the terminal changed, so a
// process that is killed leaves nothing to repair.
type tty struct {
	*board
	colour bool
	before []byte // the frame that is on the screen
}

func newTTY(now time.Time, colour bool) *tty { return &tty{board: newBoard(now), colour: colour} }

func (t *tty) waiting() int { return 0 }

func (t *tty) apply(e *event) { t.board.apply(e, nil) }

const (
	hide = "\x1b[?25l\x1b[?7l" // the cursor; and lines that are wider than thought do not wrap
	show = "\x1b[?7h\x1b[?25h"
)

// frame is the rows. The last one has all of them, however high the terminal is,
// and leaves the cursor below.
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
		// Erased before, not after: in the last column the latter would erase the last character.
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
