package strictjson

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
	Hint string // what to do; may be empty
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
	if e.Hint != "" {
		s += "\nhint: " + e.Hint
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

const (
	// MaxProblems limits how many problems one message lists: if a document has the
	// same problem a thousand times, the first lines explain it.
	MaxProblems = 20
	// MaxWarnings limits the warnings in the same way.
	MaxWarnings = 100
)

// Problems collects the problems of one document, in the order of discovery.
type Problems struct {
	File     string // what errors call the document; "" means config.json
	Warnings []Warning

	errs []error
	more int // number of problems found after MaxProblems

	// omitted has the paths of omitted fields that another field may require; only
	// known for a document, not for a struct built by a program.
	omitted map[string]bool
}

// Add records a problem.
func (p *Problems) Add(e *Error) {
	if len(p.errs) >= MaxProblems {
		p.more++
		return
	}
	e.File = p.File
	p.errs = append(p.errs, e)
}

// Bad records a problem with the value at path; got may be empty.
func (p *Problems) Bad(path, want, got string) {
	p.Add(&Error{Path: path, Want: want, Got: got})
}

// Warn records a warning.
func (p *Problems) Warn(path, text string) { p.warn(Warning{Path: path, Text: text}) }

// Note records a warning that is shown only with --debug.
func (p *Problems) Note(path, text string) { p.warn(Warning{Path: path, Text: text, Debug: true}) }

func (p *Problems) warn(w Warning) {
	if len(p.Warnings) < MaxWarnings {
		p.Warnings = append(p.Warnings, w)
	}
}

// Omitted reports whether the document omits a field of need depends.
func (p *Problems) Omitted(path string) bool { return p.omitted[path] }

func (p *Problems) setOmitted(path string) {
	if p.omitted == nil {
		p.omitted = map[string]bool{}
	}
	p.omitted[path] = true
}

// addPosition adds the position in the file to the last problem.
func (p *Problems) addPosition(position string) {
	if e := p.last(); e != nil {
		e.Want += position
	}
}

// addHint adds to the last problem what to do about it.
func (p *Problems) addHint(hint string) {
	if e := p.last(); e != nil {
		e.Hint = hint
	}
}

// last returns the last problem, or nil if it is only counted.
func (p *Problems) last() *Error {
	if p.more > 0 || len(p.errs) == 0 {
		return nil
	}
	e, _ := p.errs[len(p.errs)-1].(*Error)
	return e
}

// Err joins the problems, nil if there are none.
func (p *Problems) Err() error {
	if len(p.errs) == 1 {
		return p.errs[0]
	}
	errs := p.errs
	if p.more > 0 {
		errs = append(errs[:len(errs):len(errs)], errors.New("and "+strconv.Itoa(p.more)+" more"))
	}
	return errors.Join(errs...)
}

// Quote formats a string value for Error.Got, shortened to one line.
func Quote(s string) string {
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

// IndexPath appends an index to a path: IndexPath("mounts", 2) is mounts[2].
func IndexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// KeyPath appends the key of a map to a path: KeyPath("linux.sysctl", "net.core.x") is
// linux.sysctl["net.core.x"]. Keys that are plain words stay plain.
func KeyPath(path, key string) string { return string(appendKey([]byte(path), key)) }

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
