package architecture

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// fields lists the fields of config.json as defined by the types of specs-go:
// "process.rlimits[].type". For other operating systems only the top-level field is listed.
func fields() []string {
	var out []string
	walk(reflect.TypeFor[specs.Spec](), "", &out)
	return out
}

func walk(t reflect.Type, path string, out *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
			path += "[]"
		}
		t = t.Elem()
	}
	foreign := slices.Contains([]string{"solaris", "windows", "vm", "zos", "freebsd"}, path)
	if t.Kind() != reflect.Struct || foreign {
		*out = append(*out, path)
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			walk(f.Type, path, out)
		case path == "":
			walk(f.Type, name, out)
		default:
			walk(f.Type, path+"."+name, out)
		}
	}
}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	file   = regexp.MustCompile(`^(cmd|internal|tests|docs)/`)
)

// fullName completes a name with the longest path that it shares with first.
func fullName(known []string, first, name string) string {
	for parent := first; parent != ""; {
		parent = parent[:max(0, strings.LastIndexByte(parent, '.'))]
		if full := parent + "." + name; slices.Contains(known, full) {
			return full
		}
	}
	return name
}

// TestEveryFieldHasARow: docs/architecture.md lists for every field of config.json where it is
// handled, and the files it names exist. In the first column, a name after the first may omit the
// path that it shares with the first.
func TestEveryFieldHasARow(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := fields()
	rows := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		columns := strings.Split(line, "|")
		if len(columns) != 6 {
			t.Errorf("docs/architecture.md: a row has %d columns, want 4: %s", len(columns)-2, line)
			continue
		}
		if strings.HasPrefix(line, "| `linux.") && strings.Contains(columns[2], "refused") {
			t.Errorf("docs/architecture.md: a field for Linux must not be refused: %s", line)
		}
		first := ""
		for i, m := range quoted.FindAllStringSubmatch(columns[1], -1) {
			name := m[1]
			if i == 0 {
				first = name
			} else {
				name = fullName(known, first, name)
			}
			if !slices.Contains(known, name) {
				t.Errorf("docs/architecture.md has a row for %s, which is not a field of config.json", name)
			}
			rows[name] = true
		}
		for _, column := range columns[2:] {
			for _, m := range quoted.FindAllStringSubmatch(column, -1) {
				if !file.MatchString(m[1]) {
					continue
				}
				if _, err := os.Stat(filepath.Join("..", "..", m[1])); err != nil {
					t.Errorf("docs/architecture.md: %v", err)
				}
			}
		}
	}
	for _, name := range known {
		if !rows[name] {
			t.Errorf("docs/architecture.md has no row for %s: add one with the file that handles it", name)
		}
	}
}
