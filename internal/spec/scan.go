package spec

// This file owns the first look at the bytes: one pass that knows the Go type each
// value will be decoded into. encoding/json does the decoding afterwards, but it
// takes the last of two equal keys, replaces bytes that are not UTF-8, stops at the
// first wrong type and names no index. A configuration that two programs read
// differently is a hole, so here all of that is an error with a path.

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a document. The specification needs 8.
const maxDepth = 100

type scanner struct {
	p     *problems
	data  []byte
	pos   int
	path  []byte // JSON path of the value being read
	depth int
	fatal bool // the syntax is broken: nothing behind it means anything
}

// scan checks that data is one JSON value, without duplicate keys, that
// encoding/json can decode into the struct v points to. It reports problems and
// warnings with their paths, and whether decoding makes sense.
func scan(p *problems, data []byte, v any) bool {
	s := &scanner{p: p, data: data, path: make([]byte, 0, 128)}
	before := len(p.errs)
	s.value(schemaOf(reflect.TypeOf(v).Elem()), false)
	if s.space(); !s.fatal && s.pos < len(data) {
		s.broken("must end after the first value")
	}
	return len(p.errs) == before
}

// value reads one value of type t, any value if t is nil. A nullable value may be
// null, which leaves a field as if it were absent; set reports that it is not.
func (s *scanner) value(t *schema, nullable bool) (set bool) {
	s.space()
	if s.fatal || s.pos >= len(s.data) {
		s.broken("must not end here")
		return false
	}
	start := s.pos
	kind := anything
	if t != nil {
		kind = t.kind
	}
	switch c := s.data[s.pos]; {
	case c == '{':
		s.wrongKind(kind, object, "an object")
		if kind != object && kind != mapping {
			t = nil
		}
		s.object(t)
	case c == '[':
		s.wrongKind(kind, array, "an array")
		if kind != array {
			t = nil
		}
		s.array(t)
	case c == '"':
		_, escaped, nul := s.string()
		if s.wrongKind(kind, str, "a string") && nul && !s.fatal {
			var text string
			if json.Unmarshal(s.data[start:s.pos], &text); escaped && strings.IndexByte(text, 0) >= 0 {
				s.bad("must not contain a NUL byte", quote(text))
			}
		}
	case c == '-' || '0' <= c && c <= '9':
		s.number(t, kind)
	case c == 't':
		s.word("true")
		s.wrongKind(kind, boolean, "true")
	case c == 'f':
		s.word("false")
		s.wrongKind(kind, boolean, "false")
	case c == 'n':
		s.word("null")
		if !nullable && kind != anything {
			s.wrongKind(kind, null, "null")
		}
		return false
	default:
		s.broken("must be a JSON value, got " + s.here())
	}
	return true
}

// wrongKind reports a value of another kind than wanted; ok is the opposite.
func (s *scanner) wrongKind(want, have kind, got string) (ok bool) {
	if want == anything || want == have || want == mapping && have == object {
		return true
	}
	if !s.fatal {
		s.bad("must be "+want.String(), got)
	}
	return false
}

func (s *scanner) object(t *schema) {
	if !s.enter() {
		return
	}
	var seen keySet
	var present uint64 // fields of t, by index, that have a value
	for first := true; !s.fatal; first = false {
		if done := s.separator('}', first); done || s.fatal {
			break
		}
		if s.pos >= len(s.data) || s.data[s.pos] != '"' {
			s.broken("must have a key in quotes, got " + s.here())
			return
		}
		keyText := s.key()
		s.space()
		if s.fatal || s.pos >= len(s.data) || s.data[s.pos] != ':' {
			s.broken("must have a colon after the key " + quote(keyText) + ", got " + s.here())
			return
		}
		s.pos++
		outer := len(s.path)
		s.path = appendKey(s.path, keyText)
		elem, bit := s.member(t, keyText)
		name := keyText
		if bit >= 0 {
			name = t.fields[bit].name // so that two spellings of a field are the same key
		}
		if !seen.add(name) {
			s.bad("must not be given twice", "")
		}
		if s.value(elem, bit >= 0) && bit >= 0 {
			present |= 1 << bit
		}
		s.path = s.path[:outer]
	}
	if !s.fatal && t != nil && t.kind == object {
		s.required(t, present)
	}
	s.depth--
}

// member finds the type of the value of a key, and its field in the struct t or -1.
func (s *scanner) member(t *schema, name string) (elem *schema, field int) {
	if t == nil {
		return nil, -1
	}
	if t.kind == mapping {
		return t.elem(), -1
	}
	for i := range t.fields {
		if t.fields[i].name == name {
			return schemaOf(t.fields[i].typ), i
		}
	}
	for i := range t.fields {
		if strings.EqualFold(t.fields[i].name, name) {
			// encoding/json takes it, and so do runtimes that rely on it.
			s.warn("is read as " + t.fields[i].name + ": the specification spells fields in one way only")
			return schemaOf(t.fields[i].typ), i
		}
	}
	s.p.note(string(s.path), "is not a field of the specification and has no effect")
	return nil, -1
}

// required reports the fields that must be given although their zero value looks
// like any other: mapping an id to host id 0 because hostID was forgotten is not
// a default anybody wants. Fields whose zero value is invalid are left to Validate.
func (s *scanner) required(t *schema, present uint64) {
	for i, f := range t.fields {
		if present&(1<<i) != 0 {
			continue
		}
		outer := len(s.path)
		s.path = appendKey(s.path, f.name)
		switch f.need {
		case needed:
			s.bad("must be given", "")
		case expected:
			s.p.note(string(s.path), "is required by the specification; taken as 0")
		case depends:
			s.p.absent = append(s.p.absent, string(s.path))
		}
		s.path = s.path[:outer]
	}
}

func (s *scanner) array(t *schema) {
	if !s.enter() {
		return
	}
	var elem *schema
	if t != nil {
		elem = t.elem()
	}
	for i := 0; !s.fatal; i++ {
		if done := s.separator(']', i == 0); done || s.fatal {
			break
		}
		outer := len(s.path)
		s.path = append(s.path, '[')
		s.path = strconv.AppendInt(s.path, int64(i), 10)
		s.path = append(s.path, ']')
		s.value(elem, false)
		s.path = s.path[:outer]
	}
	s.depth--
}

func (s *scanner) enter() bool {
	s.pos++
	if s.depth++; s.depth > maxDepth {
		s.broken("must not be nested deeper than " + strconv.Itoa(maxDepth) + " levels")
		return false
	}
	return true
}

// separator reads what comes before the next member: nothing for the first one, a
// comma for the others, or the closing bracket, for which it returns true.
func (s *scanner) separator(closing byte, first bool) (done bool) {
	s.space()
	if s.pos >= len(s.data) {
		s.broken("must be closed by " + string(closing))
		return true
	}
	switch c := s.data[s.pos]; {
	case c == closing:
		s.pos++
		return true
	case first:
		return false
	case c != ',':
		s.broken("must go on with a comma or " + string(closing) + ", got " + s.here())
		return true
	}
	s.pos++
	s.space()
	if s.pos < len(s.data) && s.data[s.pos] == closing {
		s.broken("must not have a comma before " + string(closing))
	}
	return false
}

// key reads the key of an object member.
func (s *scanner) key() string {
	start := s.pos
	raw, escaped, nul := s.string()
	if !escaped || s.fatal {
		return string(raw)
	}
	var k string
	if err := json.Unmarshal(s.data[start:s.pos], &k); err != nil {
		s.broken("must be a key: " + err.Error())
	}
	if nul && strings.IndexByte(k, 0) >= 0 {
		s.bad("must not have a key that contains a NUL byte", quote(k))
	}
	return k
}

// string reads a string and returns what is between the quotes, whether it has
// escapes, and whether one of them may be a NUL.
func (s *scanner) string() (raw []byte, escaped, nul bool) {
	s.pos++
	start, ascii := s.pos, true
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			raw = s.data[start:s.pos]
			s.pos++
			if !ascii && !utf8.Valid(raw) {
				s.broken("must be UTF-8")
			}
			return raw, escaped, nul
		case c == '\\':
			escaped = true
			zero, ok := s.escape()
			if !ok {
				return nil, true, false
			}
			nul = nul || zero
		case c < ' ':
			s.broken("must not have a control character in a string, got " + s.here())
			return nil, escaped, nul
		default:
			ascii = ascii && c < utf8.RuneSelf
			s.pos++
		}
	}
	s.broken("must be closed by a quote")
	return nil, escaped, nul
}

// escape reads one escape sequence. A surrogate on its own is not a character;
// encoding/json would replace it by U+FFFD.
func (s *scanner) escape() (nul, ok bool) {
	rest := s.data[s.pos:]
	if len(rest) > 1 && bytes.IndexByte([]byte(`"\/bfnrt`), rest[1]) >= 0 {
		s.pos += 2
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
		s.broken("must have valid escape sequences")
		return false, false
	}
	s.pos += n
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

// number reads a number and checks that it fits the integer type t. No field of
// the Linux configuration is a fraction.
func (s *scanner) number(t *schema, want kind) {
	start := s.pos
	if s.data[s.pos] == '-' {
		s.pos++
	}
	leading := s.pos
	digits := s.digits()
	ok := digits > 0 && (digits == 1 || s.data[leading] != '0')
	if ok && s.pos < len(s.data) && s.data[s.pos] == '.' {
		s.pos++
		ok = s.digits() > 0
	}
	if ok && s.pos < len(s.data) && s.data[s.pos]|0x20 == 'e' {
		s.pos++
		if s.pos < len(s.data) && (s.data[s.pos] == '+' || s.data[s.pos] == '-') {
			s.pos++
		}
		ok = s.digits() > 0
	}
	if !ok {
		s.broken("must be a JSON number")
		return
	}
	text := string(s.data[start:s.pos])
	var err error
	switch want {
	case anything, float:
		return
	case signed:
		_, err = strconv.ParseInt(text, 10, t.bits)
	case unsigned:
		_, err = strconv.ParseUint(text, 10, t.bits)
	default:
		s.wrongKind(want, float, "the number "+text)
		return
	}
	if err != nil {
		s.bad("must be an integer "+t.span(), text)
	}
}

func (s *scanner) digits() (n int) {
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
		n++
	}
	return n
}

func (s *scanner) word(w string) {
	if len(s.data)-s.pos < len(w) || string(s.data[s.pos:s.pos+len(w)]) != w {
		s.broken("must be a JSON value, got " + s.here())
		return
	}
	s.pos += len(w)
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) bad(want, got string) { s.p.bad(string(s.path), want, got) }
func (s *scanner) warn(text string)     { s.p.warn(string(s.path), text) }

// broken reports an error of syntax with its place and ends the scan.
func (s *scanner) broken(want string) {
	if s.fatal {
		return
	}
	s.fatal = true
	seen := s.data[:min(s.pos, len(s.data))]
	line := bytes.Count(seen, []byte("\n")) + 1
	column := len(seen) - bytes.LastIndexByte(seen, '\n')
	s.bad(want, "")
	s.p.place(" (line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column) + ")")
}

// here renders the next character for a message.
func (s *scanner) here() string {
	if s.pos >= len(s.data) {
		return "the end"
	}
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return strconv.QuoteRune(r)
}
