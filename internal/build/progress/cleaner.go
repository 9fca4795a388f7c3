package progress

import (
	"strings"
	"unicode/utf8"

	"github.com/minirun/minirun/internal/termtext"
)

// A cleaner emulates a one-line terminal for a program's output. It supports what programs use
// to draw progress: carriage returns, backspaces, erasing the line and moving to a column. All
// other control sequences are removed.
type cleaner struct {
	line  []rune
	at    int // the column of the next character
	mode  mode
	param int    // of a control sequence: the first number
	many  bool   // it has several numbers, or is private
	rest  []byte // the first bytes of an incomplete character
}

// A mode is the cleaner's position in an escape sequence (ECMA-48).
type mode int

const (
	ground  mode = iota
	escape       // after ESC
	control      // after ESC [, until a byte in @…~
	charset      // after ESC and a byte in space…/, until a byte in 0…~
	quoted       // after ESC ] and similar, until BEL, ESC \ or, to limit what it hides, the end of the line
)

// maxLine is the length at which a line is considered complete.
const maxLine = 8 << 10

// write processes output, and calls emit for each complete line.
func (c *cleaner) write(p []byte, emit func(string)) {
	if len(c.rest) > 0 {
		p = append(c.rest, p...)
		c.rest = nil
	}
	for len(p) > 0 {
		r, n := rune(p[0]), 1
		if r >= utf8.RuneSelf {
			if !utf8.FullRune(p) {
				c.rest = append([]byte(nil), p...)
				return
			}
			r, n = utf8.DecodeRune(p)
		}
		p = p[n:]
		if r == '\n' {
			c.endLine(emit)
			continue
		}
		c.readRune(r)
		if len(c.line) >= maxLine {
			c.endLine(emit)
		}
	}
}

// incompleteLine returns the incomplete line.
func (c *cleaner) incompleteLine() string { return strings.TrimRight(string(c.line), " ") }

// flush completes an incomplete line.
func (c *cleaner) flush(emit func(string)) {
	if len(c.rest) > 0 {
		c.putRune(utf8.RuneError)
		c.rest = nil
	}
	if len(c.line) > 0 {
		c.endLine(emit)
	}
}

func (c *cleaner) endLine(emit func(string)) {
	emit(c.incompleteLine())
	c.line, c.at, c.mode = c.line[:0], 0, ground
}

func (c *cleaner) readRune(r rune) {
	switch r {
	case '\r':
		c.at, c.mode = 0, ground
		return
	case 0x1b:
		c.mode = escape
		return
	case 0x18, 0x1a: // CAN and SUB cancel a sequence
		c.mode = ground
		return
	}
	switch c.mode {
	case escape:
		c.readEscape(r)
	case control:
		c.readControl(r)
	case charset:
		if r >= '0' {
			c.mode = ground
		}
	case quoted:
		if r == '\a' {
			c.mode = ground
		}
	default:
		c.writeRune(r)
	}
}

func (c *cleaner) readEscape(r rune) {
	switch {
	case r == '[':
		c.mode, c.param, c.many = control, 0, false
	case strings.ContainsRune("]PX^_", r):
		c.mode = quoted
	case r >= ' ' && r <= '/':
		c.mode = charset
	default:
		c.mode = ground
	}
}

func (c *cleaner) readControl(r rune) {
	switch {
	case r >= '0' && r <= '9':
		c.param = min(10*c.param+int(r-'0'), maxLine)
	case r >= ' ' && r <= '?':
		c.many = true
	default:
		c.mode = ground
		if !c.many {
			c.runCommand(r)
		}
	}
}

// runCommand executes a control sequence that programs use to draw a line.
func (c *cleaner) runCommand(r rune) {
	switch r {
	case 'G':
		c.at = max(0, min(c.param, maxLine)-1)
	case 'K':
		if c.param == 2 {
			c.line = c.line[:0]
		} else if c.param == 0 && c.at < len(c.line) {
			c.line = c.line[:c.at]
		}
	}
}

func (c *cleaner) writeRune(r rune) {
	switch {
	case r == '\b':
		c.at = max(0, c.at-1)
	case r == '\t':
		c.putRune(' ')
		for c.at%8 != 0 {
			c.putRune(' ')
		}
	case termtext.Visible(r):
		c.putRune(r)
	}
}

func (c *cleaner) putRune(r rune) {
	for len(c.line) < c.at {
		c.line = append(c.line, ' ')
	}
	if c.at == len(c.line) {
		c.line = append(c.line, r)
	} else {
		c.line[c.at] = r
	}
	c.at++
}

// cleanLine reduces text from a Dockerfile or an error to one clean line.
func cleanLine(text string) string {
	var c cleaner
	var lines []string
	emit := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			lines = append(lines, s)
		}
	}
	c.write([]byte(text), emit)
	c.flush(emit)
	return strings.Join(lines, " ")
}
