// Package strictjson decodes config.json and minirun's other documents, and encodes
// config.json, in one pass guided by the Go types.
//
// It does not use encoding/json, for two reasons. encoding/json takes the last of two
// equal keys, replaces bytes that are not UTF-8, stops at the first wrong type and
// reports no index; a configuration that two programs read differently is a security
// hole, so here all of that is an error with a path. And it prepares for encoding,
// too, every type that it meets: the first document of a process takes it 0.65 ms,
// this package 0.1 ms, and a process reads only one. FuzzParse in package spec compares
// the results of both.
//
//	decode.go    JSON → structs: types, duplicate, required and unknown fields
//	lex.go       the syntax of JSON
//	schema.go    what both directions know about the Go types
//	required.go  the fields that the OCI Runtime Specification requires
//	encode.go    structs → JSON
//	problems.go  problems and warnings with their JSON path
package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/minirun/minirun/internal/nearest"
)

// maxDepth limits the nesting of a document. The specification needs 8.
const maxDepth = 100

type decoder struct {
	p     *Problems
	data  []byte
	pos   int
	path  []byte // JSON path of the value being read
	depth int
	fatal bool // the syntax is broken: the rest has no meaning
}

// Decode fills in the struct that target points to from a JSON document, and reports
// problems and warnings with their paths. If there is a problem it returns false, and
// the struct is undefined.
func Decode(p *Problems, data []byte, target any) (ok bool) {
	d := &decoder{p: p, data: data, path: make([]byte, 0, 128)}
	before := len(p.errs)
	v := reflect.ValueOf(target).Elem()
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		d.broken("must not begin with a byte-order mark")
		d.p.addHint("save it as UTF-8 without a byte-order mark, or remove it: sed -i '1s/^...//' FILE")
		return false
	}
	d.value(schemaOf(v.Type()), v, false)
	if d.space(); !d.fatal && d.pos < len(data) {
		d.broken("must end after the first value")
	}
	return len(p.errs) == before
}

// value reads one value into v. Without a schema, any value is read and dropped. A
// nullable value may be null, which leaves a field as if it were absent; set reports
// whether it is not null.
func (d *decoder) value(t *schema, v reflect.Value, nullable bool) (set bool) {
	d.space()
	if d.fatal || d.pos >= len(d.data) {
		d.broken("must not end here")
		if len(bytes.TrimSpace(d.data)) == 0 {
			d.p.addHint("the file is empty; write a new one with minirun spec")
		}
		return false
	}
	if t != nil && t.kind == anything {
		d.foreign(v)
		return true
	}
	if t != nil && d.data[d.pos] != 'n' {
		for v.Kind() == reflect.Pointer {
			v.Set(reflect.New(v.Type().Elem()))
			v = v.Elem()
		}
	}
	switch c := d.data[d.pos]; {
	case c == '{':
		if d.expect(t, object, "an object") {
			d.object(t, v)
		} else {
			d.object(nil, v)
		}
	case c == '[':
		if d.expect(t, array, "an array") {
			d.array(t, v)
		} else {
			d.array(nil, v)
		}
	case c == '"':
		s := d.text()
		if d.expect(t, str, "a string") {
			v.SetString(s)
		}
	case c == '-' || '0' <= c && c <= '9':
		if text := d.number(); t != nil && !d.fatal {
			d.setNumber(t, v, text)
		}
	case c == 't', c == 'f':
		word := strconv.FormatBool(c == 't')
		if d.word(word); d.expect(t, boolean, word) {
			v.SetBool(c == 't')
		}
	case c == 'n':
		if d.word("null"); t != nil && !nullable {
			d.expect(t, null, "null")
		}
		return false
	default:
		d.broken("must be a JSON value, got " + d.here())
	}
	return true
}

// expect reports whether a value of kind have can be stored, and reports a problem if
// it is of the wrong kind.
func (d *decoder) expect(t *schema, have kind, got string) (store bool) {
	if t == nil || d.fatal {
		return false
	}
	if t.kind == have || t.kind == mapping && have == object {
		return true
	}
	d.bad("must be "+t.kind.String(), got)
	return false
}

func (d *decoder) object(t *schema, v reflect.Value) {
	if !d.enter() {
		return
	}
	if t != nil && t.kind == mapping {
		v.Set(reflect.MakeMap(v.Type()))
	}
	var seen KeySet
	var present, respelled uint64 // fields of t, by index: with a value, with a different spelling
	for first := true; !d.fatal; first = false {
		if done := d.separator('}', first); done || d.fatal {
			break
		}
		name, ok := d.member()
		if !ok {
			return
		}
		outer := len(d.path)
		d.path = appendKey(d.path, name)
		switch {
		case t == nil:
			d.unique(&seen, name)
			d.value(nil, v, true)
		case t.kind == mapping:
			d.unique(&seen, name)
			elem := reflect.New(v.Type().Elem()).Elem()
			d.value(t.elem(), elem, false)
			v.SetMapIndex(reflect.ValueOf(name), elem)
		default:
			i := d.field(t, name)
			if i < 0 {
				d.unique(&seen, name)
				d.value(nil, v, true)
				break
			}
			f := &t.fields[i]
			if name != f.name {
				respelled |= 1 << i
			}
			if respelled&(1<<i) == 0 {
				d.unique(&seen, f.name)
			} else if !seen.Add(f.name) {
				d.bad("must not be given twice: keys that differ only in case are the same field, "+f.name, "")
			}
			if d.value(schemaOf(f.typ), v.FieldByIndex(f.index), true) {
				present |= 1 << i
			}
		}
		d.path = d.path[:outer]
	}
	if !d.fatal && t != nil && t.kind == object {
		d.required(t, present)
	}
	d.depth--
}

// member reads the key of an object member and the colon.
func (d *decoder) member() (name string, ok bool) {
	if d.pos >= len(d.data) || d.data[d.pos] != '"' {
		d.broken("must have a key in quotes, got " + d.here())
		d.hintComment()
		return "", false
	}
	name = d.text()
	d.space()
	if d.fatal || d.pos >= len(d.data) || d.data[d.pos] != ':' {
		d.broken("must have a colon after the key " + Quote(name) + ", got " + d.here())
		return "", false
	}
	d.pos++
	return name, true
}

func (d *decoder) unique(seen *KeySet, name string) {
	if !seen.Add(name) {
		d.bad("must not be given twice", "")
	}
}

// field returns the index of the field that a key names, or -1.
func (d *decoder) field(t *schema, name string) int {
	for i := range t.fields {
		if t.fields[i].name == name {
			return i
		}
	}
	for i := range t.fields {
		if strings.EqualFold(t.fields[i].name, name) {
			// encoding/json accepts it, and so do runtimes that rely on it.
			d.p.Warn(string(d.path), "is read as "+t.fields[i].name+": the specification defines only one spelling")
			return i
		}
	}
	const text = "is not a field of the specification and has no effect"
	if near := nearest.Word(name, t.names()); near != "" { // engines add fields with other names
		d.p.Warn(string(d.path), text+"\nhint: did you mean "+near+"?")
	} else {
		d.p.Note(string(d.path), text)
	}
	return -1
}

// required reports missing fields that must be given although their zero value looks
// like any other: mapping an ID to host ID 0 because hostID was forgotten is not a
// useful default. Fields whose zero value is invalid are left to package spec.
func (d *decoder) required(t *schema, present uint64) {
	for i, f := range t.fields {
		if present&(1<<i) != 0 || f.need == optional {
			continue
		}
		outer := len(d.path)
		d.path = appendKey(d.path, f.name)
		switch f.need {
		case needed:
			d.bad("must be given", "")
		case expected:
			d.p.Note(string(d.path), "is required by the specification; taken as 0")
		case depends:
			d.p.setOmitted(string(d.path))
		}
		d.path = d.path[:outer]
	}
}

func (d *decoder) array(t *schema, v reflect.Value) {
	if !d.enter() {
		return
	}
	var elem *schema
	if t != nil {
		elem = t.elem()
		v.Set(reflect.MakeSlice(v.Type(), 0, 4))
	}
	for i := 0; !d.fatal; i++ {
		if done := d.separator(']', i == 0); done || d.fatal {
			break
		}
		outer := len(d.path)
		d.path = append(d.path, '[')
		d.path = strconv.AppendInt(d.path, int64(i), 10)
		d.path = append(d.path, ']')
		if t == nil {
			d.value(nil, v, true)
		} else {
			if i == v.Cap() {
				v.Grow(1)
			}
			v.SetLen(i + 1)
			d.value(elem, v.Index(i), false)
		}
		d.path = d.path[:outer]
	}
	d.depth--
}

func (d *decoder) enter() bool {
	d.pos++
	if d.depth++; d.depth > maxDepth {
		d.broken("must not be nested deeper than " + strconv.Itoa(maxDepth) + " levels")
		return false
	}
	return true
}

// setNumber stores an integer. No field used on Linux is a fraction.
func (d *decoder) setNumber(t *schema, v reflect.Value, text string) {
	switch t.kind {
	case signed:
		n, err := strconv.ParseInt(text, 10, t.bits)
		if err != nil {
			d.bad("must be an integer "+t.span(), text)
		}
		v.SetInt(n)
	case unsigned:
		n, err := strconv.ParseUint(text, 10, t.bits)
		if err != nil {
			d.bad("must be an integer "+t.span(), text)
		}
		v.SetUint(n)
	default:
		d.bad("must be "+t.kind.String(), "the number "+text)
	}
}

// foreign reads a value of a type that only other platforms use, such as any.
func (d *decoder) foreign(v reflect.Value) {
	start := d.pos
	d.value(nil, v, true)
	if d.fatal {
		return
	}
	if err := json.Unmarshal(d.data[start:d.pos], v.Addr().Interface()); err != nil {
		d.bad("must be readable: "+err.Error(), "")
	}
}

func (d *decoder) bad(want, got string) { d.p.Bad(string(d.path), want, got) }
