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
	style rowStyle
	text  string
}

type rowStyle int

const (
	usual rowStyle = iota
	good
	bad
	warning
	dim
)

const maxOutputRows = 6 // lines of output of a running step

// cells determines the width of characters. It ignores the locale, so the same steps give the
// same rows everywhere.
var cells = runewidth.Condition{StrictEmojiNeutral: true}

// draw renders the steps as rows. There are fewer rows than the height of the terminal, if
// that is known.
func (b *stepList) draw(now time.Time, s size) []row {
	p := painter{now: now, size: s}
	var all, live []row // all steps; and those that are drawn if there is not enough room
	ended, quietly := 0, 0
	most := maxOutputRows
	if n := b.countRunning(); s.height > 0 && n > 0 { // each running step gets an equal share
		most = min(maxOutputRows, max(0, (s.height-4)/n-1))
	}
	for _, x := range b.steps {
		rows := p.drawStep(x, most)
		all = append(all, rows...)
		if x.status != running {
			ended++
		}
		if x.status == running || x.status == failed {
			live = append(live, rows...)
		} else {
			quietly++
		}
	}
	out := []row{p.drawHeader(b, ended)}
	room := s.height - 1 - len(out) // the last row of the screen is for the cursor
	if s.height == 0 || len(all) <= room {
		return append(out, all...)
	}
	if quietly > 0 {
		out = append(out, row{good, p.truncate(b.translate(fmt.Sprintf(" => … %d more steps ended", quietly)))})
		room--
	}
	if over := len(live) - room; over > 0 && room > 0 {
		live = live[:room-1]
		live = append(live, row{usual, p.truncate(b.translate(fmt.Sprintf(" => … %d more lines", over+1)))})
	}
	out = append(out, live[:max(0, min(len(live), room))]...)
	return out[:min(len(out), s.height-1)]
}

func (b *stepList) countRunning() int {
	n := 0
	for _, s := range b.steps {
		if s.status == running {
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

func (p painter) drawHeader(b *stepList, ended int) row {
	text := fmt.Sprintf("[+] %s %s (%d/%d)", b.translate(b.activity), formatSeconds(p.now.Sub(b.begun)), ended,
		len(b.steps))
	r := row{usual, text}
	if len(b.steps) > 0 && ended == len(b.steps) {
		r = row{good, text + " FINISHED"}
	}
	if b.first != nil {
		r.style = bad
	}
	r.text = p.truncate(r.text)
	return r
}

// drawStep draws a step's line and, while it runs, its counters and output.
func (p painter) drawStep(s *step, most int) []row {
	first := row{usual, " => "}
	switch s.status {
	case done:
		first.style = good
	case cached:
		first = row{good, " => CACHED "}
	case failed:
		first = row{bad, " => ERROR "}
	case canceled:
		first = row{warning, " => CANCELED "}
	}
	first.text = p.alignRight(first.text+s.name, formatSeconds(s.elapsed(p.now)))
	out := []row{first}
	for _, what := range s.notes {
		out = append(out, row{first.style, p.truncate(" => => " + what)})
	}
	if s.status != running {
		return out
	}
	for _, c := range s.counts {
		if c.total == 0 || c.done < c.total {
			out = append(out, row{usual, p.truncate(" => => " + c.String())})
		}
	}
	for _, l := range s.tail(most) {
		out = append(out, row{dim, p.truncate(" => => # " + l.text)})
	}
	return out[:min(len(out), 1+len(s.notes)+most)]
}

func (c count) String() string {
	text := c.title + " " + units.HumanSize(float64(c.done))
	if c.total > 0 {
		text += " / " + units.HumanSize(float64(c.total))
	}
	return text
}

// alignRight aligns right with the right edge, if there is one.
func (p painter) alignRight(left, right string) string {
	if p.size.width == 0 {
		return left + "  " + right
	}
	room := p.size.width - len(right) - 2
	if room < 8 {
		return p.truncate(left)
	}
	left = cells.Truncate(left, room, "…")
	return left + strings.Repeat(" ", room-cells.StringWidth(left)+2) + right
}

func (p painter) truncate(text string) string {
	if p.size.width == 0 {
		return text
	}
	return cells.Truncate(text, p.size.width, "…")
}

func formatSeconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
