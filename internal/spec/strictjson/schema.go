package strictjson

// This file describes Go types for decode.go and encode.go, by reflection when a
// document first needs it.

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// kind is a kind of JSON value as distinguished by Go types.
type kind uint8

const (
	anything kind = iota // left to encoding/json
	object               // a struct
	mapping              // an object with free keys
	array
	str
	boolean
	signed
	unsigned
	null
)

func (k kind) String() string {
	switch k {
	case object, mapping:
		return "an object"
	case array:
		return "an array"
	case str:
		return "a string"
	case boolean:
		return "true or false"
	case signed, unsigned:
		return "an integer"
	}
	return "a value"
}

// schema describes the values that one Go type accepts.
type schema struct {
	typ    reflect.Type // without pointers
	kind   kind
	bits   int     // of an integer
	fields []field // of a struct, at most 64
}

type field struct {
	name  string
	typ   reflect.Type
	index []int // for reflect.Value.FieldByIndex
	need  need

	omitted bool // omitempty
}

// schemas caches by reflect.Type. It is filled when first used, so that linking
// the package costs nothing.
var schemas sync.Map

func schemaOf(t reflect.Type) *schema {
	if s, ok := schemas.Load(t); ok {
		return s.(*schema)
	}
	s := newSchema(t)
	schemas.Store(t, s)
	return s
}

func newSchema(t reflect.Type) *schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	s := &schema{typ: t}
	if t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return s // anything: it encodes itself
	}
	switch t.Kind() {
	case reflect.Struct:
		s.kind = object
		s.addFields(t, t.Name(), nil)
	case reflect.Map:
		s.kind = mapping
	case reflect.Slice:
		s.kind = array
	case reflect.String:
		s.kind = str
	case reflect.Bool:
		s.kind = boolean
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.kind, s.bits = signed, t.Bits()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		s.kind, s.bits = unsigned, t.Bits()
	}
	return s
}

// addFields adds the fields of t and of its embedded structs; outer leads to t. Unexported
// fields are not part of the JSON, as in encoding/json.
func (s *schema) addFields(t reflect.Type, owner string, outer []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(outer[:len(outer):len(outer)], i)
		if f.Anonymous {
			s.addFields(f.Type, owner, index)
			continue
		}
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		s.fields = append(s.fields, field{name, f.Type, index, needOf(owner, name),
			strings.Contains(rest, "omitempty")})
	}
}

// elem returns the type of the elements of an array or a mapping.
func (s *schema) elem() *schema { return schemaOf(s.typ.Elem()) }

// span describes the range of an integer type.
func (s *schema) span() string {
	switch {
	case s.kind == signed && s.bits == 64:
		return "of 64 bits"
	case s.kind == signed:
		return "from -" + strconv.FormatUint(1<<(s.bits-1), 10) + " to " + strconv.FormatUint(1<<(s.bits-1)-1, 10)
	}
	return "from 0 to " + strconv.FormatUint(^uint64(0)>>(64-s.bits), 10)
}

// names returns the names of the fields.
func (s *schema) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}
