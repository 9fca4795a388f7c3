package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/minirun/minirun/internal/spec/spectest"
)

// otherPlatforms lists the sections that have no meaning on Linux.
var otherPlatforms = []string{"solaris", "windows", "vm", "zos", "freebsd"}

// TestSchemaKnowsAllTypes: decode.go supports all types in the specification. A new release may add
// a float, a type with its own decoder, or a struct with more than 64 fields.
func TestSchemaKnowsAllTypes(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(path string, typ reflect.Type)
	visit = func(path string, typ reflect.Type) {
		s := schemaOf(typ)
		if seen[s.typ] {
			return
		}
		seen[s.typ] = true
		unmarshaler := reflect.TypeFor[json.Unmarshaler]()
		if typ.Implements(unmarshaler) || reflect.PointerTo(s.typ).Implements(unmarshaler) {
			t.Errorf("%s: %v decodes itself", path, s.typ)
		}
		switch s.kind {
		case anything:
			if !strings.HasPrefix(path, "windows.") {
				t.Errorf("%s: %v has no kind", path, s.typ)
			}
		case mapping:
			if s.typ.Key() != reflect.TypeFor[string]() {
				t.Errorf("%s: the keys are %v", path, s.typ.Key())
			}
			visit(path+".*", s.typ.Elem())
		case array:
			if s.typ.Elem().Kind() == reflect.Uint8 {
				t.Errorf("%s: encoding/json reads base64", path)
			}
			visit(path+"[]", s.typ.Elem())
		case object:
			if len(s.fields) > 64 {
				t.Errorf("%s: %d fields", path, len(s.fields))
			}
			for _, f := range s.fields {
				if f.name == "" || f.name == "-" {
					t.Errorf("%s: a field named %q", path, f.name)
				}
				visit(join(path, f.name), f.typ)
			}
		}
	}
	visit("", reflect.TypeFor[specs.Spec]())
	visit("", reflect.TypeFor[specs.Process]())
}

func join(path, name string) string { return KeyPath(path, name) }

// TestRichIsComplete: the document from which malformed ones are derived has every field, so that
// the tests cover fields added by a new release of the specification.
func TestRichIsComplete(t *testing.T) {
	var doc any
	if err := json.Unmarshal(spectest.Rich(), &doc); err != nil {
		t.Fatal(err)
	}
	var visit func(path string, s *schema, values []any)
	visit = func(path string, s *schema, values []any) {
		if len(values) == 0 {
			if path != "process.user.username" && path != "process.commandLine" && path != "linux.personality.flags[]" {
				t.Errorf("%s is not in spectest.Rich", path)
			}
			return
		}
		var below []any
		switch s.kind {
		case array:
			for _, v := range values {
				below = append(below, v.([]any)...)
			}
			visit(path+"[]", s.elem(), below)
		case mapping:
			for _, v := range values {
				for _, e := range v.(map[string]any) {
					below = append(below, e)
				}
			}
			visit(path+".*", s.elem(), below)
		case object:
			for _, f := range s.fields {
				if path == "" && strings.Contains(strings.Join(otherPlatforms, " "), f.name) {
					continue
				}
				var below []any
				for _, v := range values {
					if e, ok := v.(map[string]any)[f.name]; ok {
						below = append(below, e)
					}
				}
				visit(join(path, f.name), schemaOf(f.typ), below)
			}
		}
	}
	visit("", schemaOf(reflect.TypeFor[specs.Spec]()), []any{doc})
}
