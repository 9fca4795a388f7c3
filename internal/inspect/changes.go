package inspect

import (
	"fmt"
	"slices"
	"strings"
)

// This file finds out what has changed between two texts of a view, and which of its
// lines fit a screen.

// A line of a watched view.
type line struct {
	text    string
	section string // the first word of its title; "" above the first one
	title   bool
	missing string // how many lines of the section are not shown
	changed bool   // since the last update
	recent  bool   // in one of the last updates
}

// A changes follows a view that is written again and again.
type changes struct {
	before map[string]bool // lines of the last update, by key
	last   []line          // the lines of the last update, without those that were gone
	ages   map[string]int  // updates since a line changed, by key
}

// recentUpdates is for how many updates a line that has changed is shown before others.
const recentUpdates = 20

// update returns the lines of a text, with those marked that the last one did not have. A line
// about something that no longer exists is shown once more.
func (c *changes) update(text string) []line {
	var out []line
	section, begins := "", false
	now := map[string]bool{}
	for text := range strings.Lines(text) {
		text = strings.TrimRight(text, " \n")
		if text == "" {
			begins = true
			continue
		}
		l := line{text: text, title: begins}
		if begins {
			section, _, _ = strings.Cut(text, " ")
		}
		l.section, begins = section, false
		key := l.key()
		now[key] = true
		if l.changed = c.before != nil && !l.title && !c.before[key]; l.changed {
			c.ages[key] = 0
		}
		_, l.recent = c.ages[key]
		out = append(out, l)
	}
	if c.ages == nil {
		c.ages = map[string]int{}
	}
	for key, age := range c.ages {
		if c.ages[key] = age + 1; age >= recentUpdates {
			delete(c.ages, key)
		}
	}
	gone := c.findGone(out)
	c.before, c.last = now, out
	return insertGone(out, gone)
}

// findGone returns the lines of the last update that are about something that a view does not
// have now, such as a mount.
func (c *changes) findGone(now []line) (gone []line) {
	subjects := map[string]bool{}
	for _, l := range now {
		subjects[l.subject()] = true
	}
	for _, l := range c.last {
		if !l.title && l.section != "" && !subjects[l.subject()] {
			l.text, l.changed, l.recent = l.text+goneMark, true, false
			gone = append(gone, l)
		}
	}
	return gone
}

// goneMark is what is added to a line about something that no longer exists.
const goneMark = "  (gone)"

// insertGone puts lines at the end of their sections. Those of a section that no longer exists
// are left out.
func insertGone(lines, gone []line) []line {
	if len(gone) == 0 {
		return lines
	}
	out := make([]line, 0, len(lines)+len(gone))
	for i, l := range lines {
		out = append(out, l)
		if i+1 < len(lines) && lines[i+1].section == l.section {
			continue
		}
		for _, g := range gone {
			if g.section == l.section {
				out = append(out, g)
			}
		}
	}
	return out
}

// subject identifies what a line is about: its first word, and its section.
func (l *line) subject() string {
	word, _, _ := strings.Cut(strings.TrimSpace(l.text), " ")
	return l.section + " " + word
}

// key identifies the content of a line. The width of a column is not part of it.
func (l *line) key() string { return l.section + " " + strings.Join(strings.Fields(l.text), " ") }

// fit selects the lines that fit a number of rows: the titles, then what has changed, then
// the rest from the top. The title of a section that is cut shows the number of missing lines.
func fit(lines []line, rows int) []line {
	if len(lines) <= rows {
		return lines
	}
	keep := make([]bool, len(lines))
	left := rows
	for _, wanted := range []func(*line) bool{
		func(l *line) bool { return l.title || l.section == "" }, func(l *line) bool { return l.changed },
		func(l *line) bool { return l.recent }, func(*line) bool { return true },
	} {
		for i := range lines {
			if left > 0 && !keep[i] && wanted(&lines[i]) {
				keep[i] = true
				left--
			}
		}
	}
	var out []line
	for i, l := range lines {
		if !keep[i] {
			continue
		}
		if l.title {
			missing := 0
			for k := i + 1; k < len(lines) && !lines[k].title; k++ {
				if !keep[k] {
					missing++
				}
			}
			if missing > 0 {
				l.missing = fmt.Sprintf("  … %d more", missing)
			}
		}
		out = append(out, l)
	}
	return slices.Clip(out)
}
