package filecopy

import (
	"fmt"
	"strconv"
	"strings"
)

// A modeChange is one clause of a symbolic mode, such as u+rwX.
type modeChange struct {
	class     uint32 // the affected bits, of 0o7777
	operation byte   // + - =
	bits      uint32
	ifExec    bool   // X: x for directories, and for files that have x for anyone
	like      []byte // u, g, o: copy the bits from these
}

// ParseChmod parses a mode like chmod(1): octal, or clauses such as u=rwX,go-w.
func ParseChmod(text string) (func(mode uint32, isDir bool) uint32, error) {
	if text != "" && strings.Trim(text, "01234567") == "" {
		n, err := strconv.ParseUint(text, 8, 32)
		if err != nil || n > 0o7777 {
			return nil, fmt.Errorf("invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777", text)
		}
		return func(uint32, bool) uint32 { return uint32(n) }, nil
	}
	var all []modeChange
	for clause := range strings.SplitSeq(text, ",") {
		list, err := parseClause(clause)
		if err != nil {
			return nil, fmt.Errorf("--chmod=%s: %w", text, err)
		}
		all = append(all, list...)
	}
	return func(mode uint32, isDir bool) uint32 {
		for _, c := range all {
			mode = c.apply(mode, isDir)
		}
		return mode
	}, nil
}

var chmodClasses = map[rune]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o1007, 'a': 0o7777}

func parseClause(clause string) (out []modeChange, err error) {
	at := strings.IndexAny(clause, "+-=")
	if at < 0 {
		return nil, fmt.Errorf(
			"invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777, or like u=rwX or go-w",
			clause,
		)
	}
	var about uint32
	for _, r := range clause[:at] {
		bits, ok := chmodClasses[r]
		if !ok {
			return nil, fmt.Errorf("invalid clause %q: %q is not one of u, g, o and a", clause, r)
		}
		about |= bits
	}
	if about == 0 {
		about = chmodClasses['a']
	}
	for rest := clause[at:]; rest != ""; {
		c := modeChange{class: about, operation: rest[0]}
		end := strings.IndexAny(rest[1:], "+-=")
		part := rest[1:]
		if rest = ""; end >= 0 {
			part, rest = part[:end], part[end:]
		}
		for _, r := range part {
			switch r {
			case 'r':
				c.bits |= 0o444
			case 'w':
				c.bits |= 0o222
			case 'x':
				c.bits |= 0o111
			case 'X':
				c.ifExec = true
			case 's':
				c.bits |= 0o6000
			case 't':
				c.bits |= 0o1000
			case 'u', 'g', 'o':
				c.like = append(c.like, byte(r))
			default:
				return nil, fmt.Errorf("invalid clause %q: %q is not one of r, w, x, X, s, t, u, g and o", clause, r)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func (c *modeChange) apply(mode uint32, isDir bool) uint32 {
	bits := c.bits
	if c.ifExec && (isDir || mode&0o111 != 0) {
		bits |= 0o111
	}
	for _, l := range c.like {
		shift := map[byte]uint32{'u': 6, 'g': 3, 'o': 0}[l]
		bits |= mode >> shift & 7 * 0o111
	}
	bits &= c.class
	switch c.operation {
	case '+':
		return mode | bits
	case '-':
		return mode &^ bits
	}
	return mode&^c.class | bits
}
