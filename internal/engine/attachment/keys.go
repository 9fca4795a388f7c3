package attachment

import (
	"fmt"
	"strings"
)

// DefaultKeys are the keys that detach a client, as in Docker.
const DefaultKeys = "ctrl-p,ctrl-q"

// ParseKeys converts a list of keys, such as ctrl-p,ctrl-q or a,b, to the bytes that a terminal
// sends for them. An empty list is allowed: no key detaches.
func ParseKeys(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	var out []byte
	for _, key := range strings.Split(text, ",") {
		letter, control := strings.CutPrefix(key, "ctrl-")
		if len(letter) != 1 {
			return nil, badKey(text, key)
		}
		b := letter[0]
		if !control {
			out = append(out, b)
			continue
		}
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		switch {
		case b >= 'a' && b <= 'z':
			out = append(out, b-'a'+1)
		case b == '@':
			out = append(out, 0)
		case b >= '[' && b <= '_':
			out = append(out, b-'['+27)
		default:
			return nil, badKey(text, key)
		}
	}
	return out, nil
}

func badKey(text, key string) error {
	return fmt.Errorf("--detach-keys %q: %q must be a character, or ctrl- and a letter or one of @ [ \\ ] ^ _", text, key)
}

// A matcher finds the keys in what a user types.
type matcher struct {
	keys    []byte
	matched int
}

// feed returns the input to pass on, and whether all of the keys have been typed. Keys that may be
// the beginning are held back.
func (m *matcher) feed(data []byte) (pass []byte, found bool) {
	if len(m.keys) == 0 {
		return data, false
	}
	for _, b := range data {
		for m.matched > 0 && b != m.keys[m.matched] {
			// The longest end of what was matched that the keys begin with may still match.
			n := m.matched - 1
			for n > 0 && string(m.keys[:n]) != string(m.keys[m.matched-n:m.matched]) {
				n--
			}
			pass = append(pass, m.keys[:m.matched-n]...)
			m.matched = n
		}
		if b != m.keys[m.matched] {
			pass = append(pass, b)
			continue
		}
		if m.matched++; m.matched == len(m.keys) {
			return pass, true
		}
	}
	return pass, false
}
