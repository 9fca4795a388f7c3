package strictjson

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Marshal formats a value on one line, like json.Marshal but without escaping <, > and
// &. encoding/json prepares for every type that a Spec could have, including Windows',
// which takes a millisecond; this function only visits the values that are present.
func Marshal(value any) ([]byte, error) {
	v := reflect.ValueOf(value)
	return appendValue(make([]byte, 0, 32<<10), schemaOf(v.Type()), v)
}

func appendValue(out []byte, t *schema, v reflect.Value) ([]byte, error) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return append(out, "null"...), nil
		}
		if t.kind == anything {
			break
		}
		v = v.Elem()
	}
	switch t.kind {
	case object:
		return appendObject(out, t, v)
	case mapping:
		return appendMapping(out, t, v)
	case array:
		if v.IsNil() {
			return append(out, "null"...), nil
		}
		out = append(out, '[')
		var err error
		for i := range v.Len() {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendValue(out, t.elem(), v.Index(i)); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case str:
		return appendText(out, v.String()), nil
	case boolean:
		return strconv.AppendBool(out, v.Bool()), nil
	case signed:
		return strconv.AppendInt(out, v.Int(), 10), nil
	case unsigned:
		return strconv.AppendUint(out, v.Uint(), 10), nil
	}
	text, err := json.Marshal(v.Interface())
	return append(out, text...), err
}

func appendObject(out []byte, t *schema, v reflect.Value) ([]byte, error) {
	out = append(out, '{')
	first := true
	for i := range t.fields {
		f := &t.fields[i]
		value := v.FieldByIndex(f.index)
		if f.omitted && isEmpty(value) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(appendText(out, f.name), ':')
		var err error
		if out, err = appendValue(out, schemaOf(f.typ), value); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendMapping(out []byte, t *schema, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return append(out, "null"...), nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	out = append(out, '{')
	for i, k := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, k.String()), ':')
		var err error
		if out, err = appendValue(out, t.elem(), v.MapIndex(k)); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// isEmpty is encoding/json's definition for omitempty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// appendText quotes a string as JSON. Bytes that are not UTF-8 become U+FFFD.
func appendText(out []byte, s string) []byte {
	out = append(out, '"')
	for _, r := range strings.ToValidUTF8(s, string(utf8.RuneError)) {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\t':
			out = append(out, `\t`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r < 0x20:
			out = append(out, `\u00`...)
			out = append(out, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return append(out, '"')
}
