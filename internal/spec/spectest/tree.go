package spectest

// This file represents a JSON document as a tree that preserves the order of keys and
// can contain what a map cannot: the same key twice, any number, any bytes.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// node is a JSON value: an object, an array, or the text of any other value.
type node struct {
	keys  []string // of an object, parallel to elems
	elems []*node  // of an object or array
	open  byte     // '{', '[' or 0
	text  string   // of a scalar, as JSON
}

func parse(doc []byte) *node {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	n, err := readNode(d)
	if err != nil {
		panic(fmt.Sprintf("spectest: %v in %s", err, doc))
	}
	return n
}

func readNode(d *json.Decoder) (*node, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		text, err := json.Marshal(tok)
		return &node{text: string(text)}, err
	}
	n := &node{open: byte(open)}
	for d.More() {
		if open == '{' {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			n.keys = append(n.keys, k.(string))
		}
		e, err := readNode(d)
		if err != nil {
			return nil, err
		}
		n.elems = append(n.elems, e)
	}
	_, err = d.Token()
	return n, err
}

func (n *node) appendTo(b []byte) []byte {
	switch n.open {
	case 0:
		return append(b, n.text...)
	case '[':
		b = append(b, '[')
		for i, e := range n.elems {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.appendTo(b)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i, e := range n.elems {
		if i > 0 {
			b = append(b, ',')
		}
		k, _ := json.Marshal(n.keys[i])
		b = append(append(b, k...), ':')
		b = e.appendTo(b)
	}
	return append(b, '}')
}

// walk calls f for every value of the tree with its path, parents first. f may change
// the value as long as it restores it.
func (n *node) walk(path string, f func(path string, n *node)) {
	f(path, n)
	for i, e := range n.elems {
		if n.open == '[' {
			e.walk(path+"["+strconv.Itoa(i)+"]", f)
		} else {
			e.walk(join(path, n.keys[i]), f)
		}
	}
}

// join writes a path as internal/spec does: linux.sysctl["net.core.x"].
func join(path, key string) string {
	for _, c := range key {
		if !strings.ContainsRune("_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", c) {
			return path + "[" + strconv.Quote(key) + "]"
		}
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// Edit returns doc with the value at path replaced by the JSON text value, added if it
// does not exist, or removed if value is "". It panics if there is no such path.
func Edit(doc []byte, path, value string) []byte {
	root := parse(doc)
	n := root
	steps := split(path)
	for i, step := range steps {
		at := n.find(step)
		last := i == len(steps)-1
		switch {
		case last && value == "" && at >= 0:
			n.elems = append(n.elems[:at:at], n.elems[at+1:]...)
			if n.open == '{' {
				n.keys = append(n.keys[:at:at], n.keys[at+1:]...)
			}
		case last && at >= 0:
			n.elems[at] = &node{text: value}
		case last && value != "":
			if n.open == '{' {
				n.keys = append(n.keys, step)
			}
			n.elems = append(n.elems, &node{text: value})
		case at < 0:
			panic("spectest: nothing at " + path)
		default:
			n = n.elems[at]
		}
	}
	return root.appendTo(nil)
}

func (n *node) find(step string) int {
	if n.open == '[' {
		if i, err := strconv.Atoi(step); err == nil && i < len(n.elems) {
			return i
		}
		return -1
	}
	for i, k := range n.keys {
		if k == step {
			return i
		}
	}
	return -1
}

// split splits a path: a.b[0]["x.y"] is a, b, 0, x.y.
func split(path string) []string {
	var steps []string
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			end := strings.IndexByte(path, ']')
			step := path[1:end]
			if q, err := strconv.Unquote(step); err == nil {
				step = q
			}
			steps, path = append(steps, step), path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps, path = append(steps, path[:end]), path[end:]
		}
	}
	return steps
}
