package progress

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// ttyView draws the steps in place. Between frames the cursor stays on the first row: wherever a
// terminal moves that row when its size changes, the next frame starts there. A frame is one
// write that leaves all modes of the terminal unchanged, so a killed process leaves nothing to
// repair.
type ttyView struct {
	*stepList
	colour   bool
	previous []byte // the frame on the screen
}

func newTTYView(now time.Time, colour bool) *ttyView {
	return &ttyView{stepList: newStepList(now), colour: colour}
}

func (t *ttyView) pendingBytes() int { return 0 }

func (t *ttyView) apply(e *event) { t.stepList.apply(e, nil) }

const (
	hideCursor = "\x1b[?25l\x1b[?7l" // hides the cursor, and turns off wrapping in case a line is wider than expected
	showCursor = "\x1b[?7h\x1b[?25h"
)

// frame returns the bytes that draw the rows. The last frame has all rows, even if they exceed
// the height of the terminal, and leaves the cursor below them.
func (t *ttyView) frame(now time.Time, s size, last bool) []byte {
	if len(t.steps) == 0 {
		return nil
	}
	if last {
		s.height = 0
	}
	rows := t.draw(now, s)
	var out bytes.Buffer
	out.WriteString(hideCursor + "\r")
	for _, r := range rows {
		// Erase before writing: erasing after it would remove a character in the last column.
		out.WriteString("\x1b[2K" + t.paint(r) + "\r\n")
	}
	out.WriteString("\x1b[J")
	if !last && len(rows) > 0 {
		out.WriteString("\x1b[" + strconv.Itoa(len(rows)) + "A")
	}
	out.WriteString(showCursor)
	if !last && bytes.Equal(out.Bytes(), t.previous) {
		return nil
	}
	t.previous = out.Bytes()
	return t.previous
}

func (t *ttyView) paint(r row) string {
	colour := map[rowStyle]string{good: "34", bad: "31", warning: "33", dim: "2"}[r.style]
	if !t.colour || colour == "" {
		return r.text
	}
	return "\x1b[" + colour + "m" + r.text + "\x1b[0m"
}

func (t *ttyView) trailer() []byte {
	return []byte(strings.ReplaceAll(t.formatFailures(), "\n", "\r\n"))
}
