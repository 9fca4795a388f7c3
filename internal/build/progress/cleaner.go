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

// longest is the length at which a line is considered complete.
const longest = 8 << 10

// write processes output, and calls tell for each complete line.
func (c *cleaner) write(p []byte, tell func(string)) {
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
			c.end(tell)
			continue
		}
		c.character(r)
		if len(c.line) >= longest {
			c.end(tell)
		}
	}
}

// open returns the incomplete line.
func (c *cleaner) open() string { return strings.TrimRight(string(c.line), " ") }

// close completes an incomplete line.
func (c *cleaner) close(tell func(string)) {
	if len(c.rest) > 0 {
		c.put(utf8.RuneError)
		c.rest = nil
	}
	if len(c.line) > 0 {
		c.end(tell)
	}
}

func (c *cleaner) end(tell func(string)) {
	tell(c.open())
	c.line, c.at, c.mode = c.line[:0], 0, ground
}

func (c *cleaner) character(r rune) {
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
		c.escaped(r)
	case control:
		c.controlled(r)
	case charset:
		if r >= '0' {
			c.mode = ground
		}
	case quoted:
		if r == '\a' {
			c.mode = ground
		}
	default:
		c.plain(r)
	}
}

func (c *cleaner) escaped(r rune) {
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

func (c *cleaner) controlled(r rune) {
	switch {
	case r >= '0' && r <= '9':
		c.param = min(10*c.param+int(r-'0'), longest)
	case r >= ' ' && r <= '?':
		c.many = true
	default:
		c.mode = ground
		if !c.many {
			c.command(r)
		}
	}
}

// command executes a control sequence that programs use to draw a line.
func (c *cleaner) command(r rune) {
	switch r {
	case 'G':
		c.at = max(0, min(c.param, longest)-1)
	case 'K':
		if c.param == 2 {
			c.line = c.line[:0]
		} else if c.param == 0 && c.at < len(c.line) {
			c.line = c.line[:c.at]
		}
	}
}

func (c *cleaner) plain(r rune) {
	switch {
	case r == '\b':
		c.at = max(0, c.at-1)
	case r == '\t':
		c.put(' ')
		for c.at%8 != 0 {
			c.put(' ')
		}
	case termtext.Visible(r):
		c.put(r)
	}
}

func (c *cleaner) put(r rune) {
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

// clean reduces text from a Dockerfile or an error to one clean line.
func clean(text string) string {
	var c cleaner
	var lines []string
	tell := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			lines = append(lines, s)
		}
	}
	c.write([]byte(text), tell)
	c.close(tell)
	return strings.Join(lines, " ")
}
