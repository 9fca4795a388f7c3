package translate

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pattern is a format string of package fmt, split at its verbs: the literals surround the verbs, so there
// is one more of them.
type pattern struct {
	english  string
	literals []string
	verbs    []byte
	weight   int    // bytes of the literals
	vague    bool   // few words, such as "%s is %s"
	rarest   string // the longest literal: a text without it does not match
}

// parse splits a format string. Widths and indexes are dropped: a pattern is matched against the text
// that the format produced.
func parse(format string) pattern {
	p := pattern{english: format}
	var literal strings.Builder
	for rest := format; rest != ""; {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			at = len(rest)
		}
		literal.WriteString(rest[:at])
		rest = rest[at:]
		n := VerbLength(rest)
		switch {
		case n == 0 && rest != "":
			literal.WriteByte('%')
			rest = rest[1:]
		case n > 0 && rest[n-1] == '%':
			literal.WriteByte('%')
		case n > 0:
			p.literals = append(p.literals, literal.String())
			p.verbs = append(p.verbs, rest[n-1])
			literal.Reset()
		}
		rest = rest[n:]
	}
	p.literals = append(p.literals, literal.String())
	words := 0
	for _, l := range p.literals {
		p.weight += len(l)
		words += len(strings.FieldsFunc(l, func(r rune) bool { return !unicode.IsLetter(r) }))
		if len(l) > len(p.rarest) {
			p.rarest = l
		}
	}
	p.vague = len(p.verbs) > 0 && (words < 2 || p.weight < 8)
	return p
}

// VerbLength returns the length in bytes of the verb that a text begins with, such as %-8s or %[2]q, or 0.
func VerbLength(text string) int {
	if !strings.HasPrefix(text, "%") {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '%' && i == 1, c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			return i + 1
		case !strings.ContainsRune("+-# 0123456789.[]*", rune(c)):
			return 0
		}
	}
	return 0
}

// maxAttempts limits the search for the values in one text.
const maxAttempts = 2000

// match returns the values of a text that a pattern's format can have produced.
func (p *pattern) match(text string) ([]string, bool) {
	if !strings.HasPrefix(text, p.literals[0]) || !strings.HasSuffix(text, p.literals[len(p.literals)-1]) ||
		len(text) < p.weight || !strings.Contains(text, p.rarest) {
		return nil, false
	}
	m := matcher{pattern: p, values: make([]string, len(p.verbs)), attempts: maxAttempts}
	return m.values, m.from(0, text[len(p.literals[0]):])
}

type matcher struct {
	pattern  *pattern
	values   []string
	attempts int
}

// from matches the verbs from number i on. The nearest end of each value is tried first.
func (m *matcher) from(i int, rest string) bool {
	if i == len(m.values) {
		return rest == ""
	}
	literal := m.pattern.literals[i+1]
	last := i == len(m.values)-1
	for end := 0; end <= len(rest); {
		if m.attempts--; m.attempts < 0 {
			return false
		}
		switch {
		case last && !strings.HasSuffix(rest, literal):
			return false
		case last:
			end = len(rest) - len(literal)
			if end < 0 {
				return false
			}
		case literal != "":
			at := strings.Index(rest[end:], literal)
			if at < 0 {
				return false
			}
			end += at
		}
		if fits(m.pattern.verbs[i], rest[:end]) {
			m.values[i] = rest[:end]
			if m.from(i+1, rest[end+len(literal):]) {
				return true
			}
		}
		if last || end == len(rest) {
			return false
		}
		_, size := utf8.DecodeRuneInString(rest[end:])
		end += size
	}
	return false
}

// fits reports whether a verb can have produced a value.
func fits(verb byte, value string) bool {
	switch verb {
	case 'q':
		value = strings.Trim(value, " ")
		if value == "" || value[0] == '[' {
			return value != ""
		}
		quoted, err := strconv.QuotedPrefix(value)
		return err == nil && (quoted == value || shortened(value))
	case 'd':
		return numeric(value, "+-0123456789 []")
	case 'x', 'X', 'o', 'O', 'b':
		return numeric(value, "+-0123456789abcdefABCDEFxXo")
	case 'f', 'g', 'e':
		return numeric(value, "+-.0123456789e ")
	case 't':
		return value == "true" || value == "false"
	case 'c', 'U':
		return value != "" && len(value) < 12
	}
	return true
}

// shortened reports whether the middle of a long value was left out.
func shortened(value string) bool {
	return strings.Contains(value, "…[") && strings.HasSuffix(value, `"`)
}

func numeric(value, allowed string) bool {
	return value != "" && strings.Trim(value, allowed) == ""
}
