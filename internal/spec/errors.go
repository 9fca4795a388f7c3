package spec

// This file defines how a problem in a document is reported: always the file, the JSON
// path of the value, what the value must be, and what it is.

import (
	"errors"
	"io/fs"
	"strconv"
	"unicode/utf8"
)

// Error is one problem in a document. It renders as
//
//	config.json: mounts[0].destination: must be an absolute path, got "proc"
type Error struct {
	File string // name of the document; "" means config.json
	Path string // JSON path, such as mounts[2].options[0]; "" is the document itself
	Want string // what the value must be, starting with a verb: "must be …"
	Got  string // the value found, quoted if it is a string; "" if there is none to show
	Err  error  // the cause, if another layer found the problem; Want may then be empty
}

func (e *Error) Error() string {
	var file *fs.PathError
	if errors.As(e.Err, &file) && file.Path == e.File {
		return file.Error() // it names the document
	}
	s := e.File
	if s == "" {
		s = "config.json"
	}
	if e.Path != "" {
		s += ": " + e.Path
	}
	if e.Want != "" {
		s += ": " + e.Want
	}
	if e.Got != "" {
		s += ", got " + e.Got
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause, nil if the document itself is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Warning reports something that is accepted but may be a mistake of the document's
// author, such as a field that the specification does not define.
type Warning struct {
	Path  string // JSON path
	Text  string // a sentence without a full stop
	Debug bool   // common in documents of engines: shown only with --debug
}

func (w Warning) String() string {
	if w.Path == "" {
		return w.Text
	}
	return w.Path + ": " + w.Text
}

// maxReported limits how many problems one message lists: if a document has the same
// problem a thousand times, the first lines explain it.
const maxReported = 20

// maxWarnings limits the warnings in the same way.
const maxWarnings = 100

// problems collects the problems of one document, in the order of discovery.
type problems struct {
	file  string
	errs  []error
	more  int // number of problems found after maxReported
	warns []Warning

	// absent has the paths of omitted fields that another field may require; only
	// known for a document, not for a Spec built by a program.
	absent map[string]bool

	// partial: the document changes a container, and omitted fields stay unchanged.
	partial bool
}

func (p *problems) add(e *Error) {
	if len(p.errs) >= maxReported {
		p.more++
		return
	}
	e.File = p.file
	p.errs = append(p.errs, e)
}

// bad records a problem with the value at path; got may be empty.
func (p *problems) bad(path, want, got string) {
	p.add(&Error{Path: path, Want: want, Got: got})
}

func (p *problems) warn(path, text string) {
	if len(p.warns) < maxWarnings {
		p.warns = append(p.warns, Warning{Path: path, Text: text})
	}
}

func (p *problems) note(path, text string) {
	if len(p.warns) < maxWarnings {
		p.warns = append(p.warns, Warning{Path: path, Text: text, Debug: true})
	}
}

// place adds the position of the last problem in the file.
func (p *problems) place(where string) {
	if p.more > 0 || len(p.errs) == 0 {
		return
	}
	if e, ok := p.errs[len(p.errs)-1].(*Error); ok {
		e.Want += where
	}
}

// err joins the problems, nil if there are none.
func (p *problems) err() error {
	if len(p.errs) == 1 {
		return p.errs[0]
	}
	errs := p.errs
	if p.more > 0 {
		errs = append(errs[:len(errs):len(errs)], errors.New("and "+strconv.Itoa(p.more)+" more"))
	}
	return errors.Join(errs...)
}

// quote formats a string value for Error.Got, shortened to one line.
func quote(s string) string {
	const limit = 80
	if len(s) <= limit {
		return strconv.Quote(s)
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "…"
}

// at appends an index to a path: at("mounts", 2) is mounts[2].
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// key appends the key of a map to a path: key("linux.sysctl", "net.core.x") is
// linux.sysctl["net.core.x"]. Keys that are plain words stay plain.
func key(path, k string) string { return string(appendKey([]byte(path), k)) }

// Key is key for errors about a valid specification that cannot be carried out.
func Key(path, k string) string { return key(path, k) }

func appendKey(path []byte, k string) []byte {
	plain := k != ""
	for i := 0; i < len(k) && plain; i++ {
		c := k[i]
		plain = c == '_' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
	}
	if !plain {
		return append(strconv.AppendQuote(append(path, '['), k), ']')
	}
	if len(path) > 0 {
		path = append(path, '.')
	}
	return append(path, k...)
}
