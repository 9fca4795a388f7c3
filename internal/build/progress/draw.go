package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/mattn/go-runewidth"
)

// A row is a line on the screen. Its text has no control characters and is not wider than the
// terminal.
type row struct {
	look look
	text string
}

type look int

const (
	usual look = iota
	good
	bad
	warning
	dim
)

const shown = 6 // lines of output of a running step

// cells determines the width of characters. It ignores the locale, so the same board gives the
// same rows everywhere.
var cells = runewidth.Condition{StrictEmojiNeutral: true}

// draw renders the board as rows. There are fewer rows than the height of the terminal, if
// that is known.
func (b *board) draw(now time.Time, s size) []row {
	p := painter{now: now, size: s}
	var all, live []row // all steps; and those that are drawn if there is not enough room
	ended, quietly := 0, 0
	most := shown
	if n := b.running(); s.height > 0 && n > 0 { // each running step gets an equal share
		most = min(shown, max(0, (s.height-4)/n-1))
	}
	for _, x := range b.steps {
		rows := p.step(x, most)
		all = append(all, rows...)
		if x.state != running {
			ended++
		}
		if x.state == running || x.state == failed {
			live = append(live, rows...)
		} else {
			quietly++
		}
	}
	out := []row{p.header(b, ended)}
	room := s.height - 1 - len(out) // the last row of the screen is for the cursor
	if s.height == 0 || len(all) <= room {
		return append(out, all...)
	}
	if quietly > 0 {
		out = append(out, row{good, p.cut(fmt.Sprintf(" => … %d steps have ended", quietly))})
		room--
	}
	if over := len(live) - room; over > 0 && room > 0 {
		live = live[:room-1]
		live = append(live, row{usual, p.cut(fmt.Sprintf(" => … %d lines more than fit here", over+1))})
	}
	out = append(out, live[:max(0, min(len(live), room))]...)
	return out[:min(len(out), s.height-1)]
}

func (b *board) running() int {
	n := 0
	for _, s := range b.steps {
		if s.state == running {
			n++
		}
	}
	return n
}

// A painter holds the current time and the width.
type painter struct {
	now  time.Time
	size size
}

func (p painter) header(b *board, ended int) row {
	text := fmt.Sprintf("[+] %s %s (%d/%d)", b.activity, seconds(p.now.Sub(b.begun)), ended, len(b.steps))
	r := row{usual, text}
	if len(b.steps) > 0 && ended == len(b.steps) {
		r = row{good, text + " FINISHED"}
	}
	if b.first != nil {
		r.look = bad
	}
	r.text = p.cut(r.text)
	return r
}

// step draws a step's line and, while it runs, its counters and output.
func (p painter) step(s *step, most int) []row {
	first := row{usual, " => "}
	switch s.state {
	case done:
		first.look = good
	case cached:
		first = row{good, " => CACHED "}
	case failed:
		first = row{bad, " => ERROR "}
	case canceled:
		first = row{warning, " => CANCELED "}
	}
	first.text = p.aligned(first.text+s.name, seconds(s.time(p.now)))
	out := []row{first}
	for _, what := range s.did {
		out = append(out, row{first.look, p.cut(" => => " + what)})
	}
	if s.state != running {
		return out
	}
	for _, c := range s.counts {
		if c.total == 0 || c.done < c.total {
			out = append(out, row{usual, p.cut(" => => " + c.String())})
		}
	}
	for _, l := range s.tail(most) {
		out = append(out, row{dim, p.cut(" => => # " + l.text)})
	}
	return out[:min(len(out), 1+len(s.did)+most)]
}

func (c count) String() string {
	text := c.what + " " + units.HumanSize(float64(c.done))
	if c.total > 0 {
		text += " / " + units.HumanSize(float64(c.total))
	}
	return text
}

// aligned aligns right with the right edge, if there is one.
func (p painter) aligned(left, right string) string {
	if p.size.width == 0 {
		return left + "  " + right
	}
	room := p.size.width - len(right) - 2
	if room < 8 {
		return p.cut(left)
	}
	left = cells.Truncate(left, room, "…")
	return left + strings.Repeat(" ", room-cells.StringWidth(left)+2) + right
}

func (p painter) cut(text string) string {
	if p.size.width == 0 {
		return text
	}
	return cells.Truncate(text, p.size.width, "…")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
