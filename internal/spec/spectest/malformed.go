// Package spectest generates malformed config.json documents, for tests of their
// readers: of internal/spec and of the whole binary, which must refuse each one before
// it does anything.
package spectest

import (
	"fmt"
	"strings"
)

// Case is one malformed document.
type Case struct {
	Name string // unique, fit for the name of a subtest
	Path string // the JSON path of the error, as a message must name it
	JSON []byte
}

// Malformed returns the documents: Rich with one error, for every value in it.
func Malformed() []Case {
	cases := mutations(Rich())
	for i, m := range wrong {
		path := m.path
		if m.blame != "" {
			path = m.blame
		}
		name := fmt.Sprintf("value %d: %s = %.40s", i, m.path, m.value)
		if m.value == "" {
			name = fmt.Sprintf("value %d: %s removed", i, m.path)
		}
		cases = append(cases, Case{name, path, Edit(Rich(), m.path, m.value)})
	}
	return append(cases, syntax(Rich())...)
}

// mutations are errors whatever the field means: another type, a number out of range,
// a NUL byte, a null in a list, a duplicate key.
func mutations(doc []byte) []Case {
	var cases []Case
	root := parse(doc)
	root.walk("", func(path string, n *node) {
		saved := *n
		try := func(what string, broken node, at string) {
			*n = broken
			cases = append(cases, Case{what + ": " + path, at, root.appendTo(nil)})
			*n = saved
		}
		text := func(s string) node { return node{text: s} }
		switch {
		case n.open == '{':
			try("a list for an object", text("[]"), path)
			try("a string for an object", text(`"x"`), path)
			if len(n.keys) > 0 {
				twice := node{open: '{',
					keys:  append(append([]string(nil), n.keys...), n.keys[0]),
					elems: append(append([]*node(nil), n.elems...), n.elems[0])}
				try("a key twice", twice, join(path, n.keys[0]))
			}
		case n.open == '[':
			try("an object for a list", text("{}"), path)
			try("a number for a list", text("1"), path)
			withNull := node{open: '[', elems: append(append([]*node(nil), n.elems...), &node{text: "null"})}
			try("a null in a list", withNull, fmt.Sprintf("%s[%d]", path, len(n.elems)))
		case n.text == "true" || n.text == "false":
			try("a string for a boolean", text(`"`+n.text+`"`), path)
			try("a number for a boolean", text("1"), path)
		case strings.HasPrefix(n.text, `"`):
			try("a number for a string", text("7"), path)
			try("a list for a string", text("["+n.text+"]"), path)
			try("a NUL byte", text(strings.TrimSuffix(n.text, `"`)+`\u0000"`), path)
		default:
			try("a string for a number", text(`"`+n.text+`"`), path)
			try("a fraction", text("1.5"), path)
			try("an exponent", text("1e3"), path)
			try("a number of 70 bits", text("1180591620717411303424"), path)
			try("a negative number of 70 bits", text("-1180591620717411303424"), path)
			try("true for a number", text("true"), path)
		}
	})
	return cases
}

// syntax breaks the document itself. The path is that of the place where the error
// shows.
func syntax(doc []byte) []Case {
	s := strings.TrimSpace(string(doc))
	replace := func(old, new string) []byte {
		if strings.Count(s, old) != 1 {
			panic("spectest: not once: " + old)
		}
		return []byte(strings.Replace(s, old, new, 1))
	}
	return []Case{
		{"empty", "", nil},
		{"white space", "", []byte(" \n")},
		{"null", "", []byte("null")},
		{"a list", "", []byte("[" + s + "]")},
		{"trailing data", "", []byte(s + "x")},
		{"a second document", "", []byte(s + s)},
		{"a byte order mark", "", []byte("\ufeff" + s)},
		{"cut in half", "hooks", []byte(s[:strings.Index(s, `"createContainer"`)])},
		{"without the last brace", "", []byte(s[:len(s)-1])},
		{"a comment", "", []byte("// config\n" + s)},
		{"a comma too many", "process.consoleSize", replace(`"width": 80}`, `"width": 80,}`)},
		{"no comma", "process.consoleSize", replace(`25, "width"`, `25 "width"`)},
		{"no colon", "process", replace(`"cwd":`, `"cwd"`)},
		{"single quotes", "process.cwd", replace(`"/root"`, `'/root'`)},
		{"not UTF-8", "hostname", replace("slarti", "slarti\xff")},
		{"half a surrogate pair", "hostname", replace("slarti", `slarti\ud800`)},
		{"an unknown escape", "hostname", replace("slarti", `slarti\x41`)},
		{"a newline in a string", "hostname", replace("slarti", "slarti\n")},
		{"a leading zero", "process.user.umask", replace(`"umask": 18`, `"umask": 018`)},
		{"a plus sign", "process.user.umask", replace(`"umask": 18`, `"umask": +18`)},
		{"half a word", "process.terminal", replace(`"terminal": true`, `"terminal": tru`)},
		{"a word too long", "process", replace(`"terminal": true`, `"terminal": truer`)},
		{"a bad surrogate pair", "hostname", replace("slarti", `slarti\ud800\u0041`)},
		{"half an escape", "hostname", replace("slarti", `slarti\u0xy`)},
		{"an unclosed string", "annotations", []byte(s[:strings.Index(s, `value"`)])},
		{"a key that is no string", "process", replace(`"cwd": `, `7: `)},
		{"NaN", "process.user.umask", replace(`"umask": 18`, `"umask": NaN`)},
		{"nested too deep", "extension", replace(`"ociVersion"`,
			`"extension": `+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`, "ociVersion"`)},
		{"a key twice in two spellings", "root.PATH", replace(`"path": "rootfs"`, `"path": "rootfs", "PATH": "other"`)},
		{"a key twice in an extension", "extension.a", replace(`"ociVersion"`,
			`"extension": {"a": 1, "a": 2}, "ociVersion"`)},
	}
}
