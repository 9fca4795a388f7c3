package course

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strconv"
	"strings"
)

// A Value says how a random value is chosen: one of its fields is set.
type Value struct {
	Hex    int      `yaml:"hex"`    // that many random hexadecimal digits
	Choose []string `yaml:"choose"` // one of these
	Number []int    `yaml:"number"` // between these two
	Port   bool     `yaml:"port"`   // a free TCP port
}

// A Chooser chooses random values. With a seed it chooses the same ones on all machines, so that a
// class sees the same screens.
type Chooser struct{ Seed string }

// Token is the value that every lab has: it marks the learner's containers.
const Token = "token"

// Choose returns the values of a lab.
func (c Chooser) Choose(l *Lab) (map[string]string, error) {
	out := map[string]string{Token: c.hex(l, Token, 8)}
	for _, name := range slices.Sorted(maps.Keys(l.Values)) {
		v := l.Values[name]
		switch {
		case v.Hex > 0:
			out[name] = c.hex(l, name, v.Hex)
		case len(v.Choose) > 0:
			out[name] = v.Choose[c.below(l, name, len(v.Choose))]
		case len(v.Number) == 2 && v.Number[0] <= v.Number[1]:
			out[name] = strconv.Itoa(v.Number[0] + c.below(l, name, v.Number[1]-v.Number[0]+1))
		case v.Port:
			port, err := freePort()
			if err != nil {
				return nil, err
			}
			out[name] = port
		default:
			return nil, fmt.Errorf("values: %s says not how it is chosen", name)
		}
	}
	return out, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// Fill replaces each {{name}} by the value with this name. Other text in braces stays, as Go templates
// of commands have it.
func Fill(text string, values map[string]string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "{{"+name+"}}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (c Chooser) hex(l *Lab, name string, digits int) string {
	return hex.EncodeToString(c.bytes(l, name, (digits+1)/2))[:digits]
}

func (c Chooser) below(l *Lab, name string, n int) int {
	value := new(big.Int).SetBytes(c.bytes(l, name, 16))
	return int(value.Mod(value, big.NewInt(int64(n))).Int64())
}

// bytes returns random bytes, or those that the seed, the lab and the name lead to.
func (c Chooser) bytes(l *Lab, name string, n int) []byte {
	if c.Seed == "" {
		out := make([]byte, n)
		_, _ = rand.Read(out) // it never fails: crypto/rand's documentation
		return out
	}
	return expand(c.Seed+"\x00"+l.Name+"\x00"+name, n)
}
