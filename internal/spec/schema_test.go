package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/spec/spectest"
	"github.com/opencontainers/runtime-spec/specs-go"
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

func join(path, name string) string { return key(path, name) }

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

// TestSpecificationExamples parses the documents that come with the specification, as far as they
// are for Linux.
func TestSpecificationExamples(t *testing.T) {
	dir := specFile(t, "schema/test/config")
	for name, path := range map[string]string{ // maps to the path of the problem, "-" for none
		"good/spec-example.json":      "ociVersion", // 0.5.0-dev, older than the compatible versions
		"good/minimal.json":           "process",    // required by create, as in runc and crun
		"good/minimal-for-start.json": "-",
		"good/linux-netdevice.json":   "linux.netDevices", // there is no network namespace to move it to
		"good/linux-rdma.json":        "process",
		"bad/invalid-json.json":       "",
		"bad/linux-hugepage.json":     "linux.resources.hugepageLimits[0].pageSize",
		"bad/linux-rdma.json":         "linux.resources.rdma.mlx5_1",
		"bad/linux-netdevice.json":    "linux.netDevices",
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		_, warns, err := Parse(data)
		t.Logf("%s: %v %v", name, warns, err)
		if (err == nil) != (path == "-") || err != nil && !blames(err, path) {
			t.Errorf("%s: %v, want a problem with %q", name, err, path)
		}
	}
}

// TestExampleInText parses the large example document in config.md.
func TestExampleInText(t *testing.T) {
	text, err := os.ReadFile(specFile(t, "config.md"))
	if err != nil {
		t.Skip(err)
	}
	_, example, _ := strings.Cut(string(text), "## Configuration Schema Example")
	_, example, _ = strings.Cut(example, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if _, _, err := Parse([]byte(example)); err != nil {
		t.Error(err)
	}
}
