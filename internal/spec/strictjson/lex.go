package strictjson

// This file implements the syntax of JSON (RFC 8259): strings, numbers and literals.
// An error here ends the reading, since the rest has no meaning.

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// separator reads the text before the next member: nothing for the first one, a
// comma for the others, or the closing bracket, for which it returns true.
func (d *decoder) separator(closing byte, first bool) (done bool) {
	d.space()
	if d.pos >= len(d.data) {
		d.broken("must be closed by " + string(closing))
		return true
	}
	switch c := d.data[d.pos]; {
	case c == closing:
		d.pos++
		return true
	case first:
		return false
	case c != ',':
		d.broken("must continue with a comma or " + string(closing) + ", got " + d.here())
		d.hintComment()
		return true
	}
	d.pos++
	d.space()
	if d.pos < len(d.data) && d.data[d.pos] == closing {
		d.broken("must not have a comma before " + string(closing))
		d.p.addHint("remove that comma: JSON has commas only between values")
	}
	return false
}

// text reads a string and returns its value. A NUL byte, at which the kernel would
// truncate it, is refused in every string of a document.
func (d *decoder) text() string {
	start := d.pos
	raw, escaped, nul := d.string()
	if !escaped || d.fatal {
		return string(raw)
	}
	var s string
	if err := json.Unmarshal(d.data[start:d.pos], &s); err != nil {
		d.broken("must be a string: " + err.Error())
	}
	if nul {
		d.bad("must not contain a NUL byte", Quote(s))
	}
	return s
}

// string reads a string and returns the part between the quotes, whether it has
// escapes, and whether one of them is a NUL.
func (d *decoder) string() (raw []byte, escaped, nul bool) {
	d.pos++
	start, ascii := d.pos, true
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; {
		case c == '"':
			raw = d.data[start:d.pos]
			d.pos++
			if !ascii && !utf8.Valid(raw) {
				d.broken("must be UTF-8")
			}
			return raw, escaped, nul
		case c == '\\':
			escaped = true
			zero, ok := d.escape()
			if !ok {
				return nil, true, false
			}
			nul = nul || zero
		case c < ' ':
			d.broken("must not have a control character in a string, got " + d.here())
			return nil, escaped, nul
		default:
			ascii = ascii && c < utf8.RuneSelf
			d.pos++
		}
	}
	d.broken("must be closed by a quote")
	return nil, escaped, nul
}

// escape reads one escape sequence. An unpaired surrogate is not a character;
// encoding/json would replace it with U+FFFD.
func (d *decoder) escape() (nul, ok bool) {
	rest := d.data[d.pos:]
	if len(rest) > 1 && bytes.IndexByte([]byte(`"\/bfnrt`), rest[1]) >= 0 {
		d.pos += 2
		return false, true
	}
	r, valid := hex4(rest)
	n := 6
	if valid && 0xd800 <= r && r < 0xe000 {
		low, second := hex4(rest[6:])
		valid = r < 0xdc00 && second && 0xdc00 <= low && low < 0xe000
		n = 12
	}
	if !valid {
		d.broken("must have valid escape sequences")
		return false, false
	}
	d.pos += n
	return r == 0, true
}

// hex4 decodes \uXXXX.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a number. The caller checks its value.
func (d *decoder) number() (text string) {
	start := d.pos
	if d.data[d.pos] == '-' {
		d.pos++
	}
	leading := d.pos
	digits := d.digits()
	ok := digits > 0 && (digits == 1 || d.data[leading] != '0')
	if ok && d.pos < len(d.data) && d.data[d.pos] == '.' {
		d.pos++
		ok = d.digits() > 0
	}
	if ok && d.pos < len(d.data) && d.data[d.pos]|0x20 == 'e' {
		d.pos++
		if d.pos < len(d.data) && (d.data[d.pos] == '+' || d.data[d.pos] == '-') {
			d.pos++
		}
		ok = d.digits() > 0
	}
	if !ok {
		d.broken("must be a JSON number")
	}
	return string(d.data[start:d.pos])
}

func (d *decoder) digits() (n int) {
	for d.pos < len(d.data) && '0' <= d.data[d.pos] && d.data[d.pos] <= '9' {
		d.pos++
		n++
	}
	return n
}

func (d *decoder) word(w string) {
	if len(d.data)-d.pos < len(w) || string(d.data[d.pos:d.pos+len(w)]) != w {
		d.broken("must be a JSON value, got " + d.here())
		return
	}
	d.pos += len(w)
}

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// broken reports a syntax error with its position and ends the scan.
func (d *decoder) broken(want string) {
	if d.fatal {
		return
	}
	d.fatal = true
	seen := d.data[:min(d.pos, len(d.data))]
	line := bytes.Count(seen, []byte("\n")) + 1
	column := len(seen) - bytes.LastIndexByte(seen, '\n')
	d.bad(want, "")
	d.p.addPosition(" (line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column) + ")")
}

// hintComment explains a problem at the beginning of a comment.
func (d *decoder) hintComment() {
	if d.pos < len(d.data) && (d.data[d.pos] == '/' || d.data[d.pos] == '#') {
		d.p.addHint("JSON has no comments: remove it, or put the text into annotations")
	}
}

// here formats the next character for a message.
func (d *decoder) here() string {
	if d.pos >= len(d.data) {
		return "the end"
	}
	r, _ := utf8.DecodeRune(d.data[d.pos:])
	return strconv.QuoteRune(r)
}
