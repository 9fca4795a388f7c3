package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newStack returns a stack whose layers have the given files; a name that ends in / is a directory,
// one with -> is a link.
func newStack(t *testing.T, upper string, lower ...string) *Stack {
	t.Helper()
	create := func(files string) string {
		dir := t.TempDir()
		for _, name := range strings.Fields(files) {
			name, target, link := strings.Cut(name, "->")
			file := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			var err error
			switch {
			case link:
				err = os.Symlink(target, file)
			case strings.HasSuffix(name, "/"):
				err = os.MkdirAll(file, 0o755)
			default:
				err = os.WriteFile(file, []byte("text"), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	s := &Stack{}
	for _, files := range lower {
		s.Lower = append(s.Lower, create(files))
	}
	if upper != "" {
		s.Upper = create(upper)
	}
	return s
}

// TestFindInStack: the topmost layer that has a path decides; a file or link on the way hides what
// is below it, directories are merged.
func TestFindInStack(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		stack *Stack
		path  string
		want  string // of each layer, topmost first: kind, and whether it is seen
	}{
		{"in the lowest layer", newStack(t, "other", "etc/motd", "etc/x"), "/etc/motd", "-,false -,false file,true"},
		{"in two layers", newStack(t, "etc/motd", "etc/motd"), "etc/motd", "file,true file,false"},
		{"directories are merged", newStack(t, "etc/", "etc/motd"), "/etc", "directory,true directory,true"},
		{"a file over a directory", newStack(t, "etc", "etc/motd"), "/etc/motd", "-,false file,false"},
		{"a link over a directory", newStack(t, "etc->/x", "etc/motd"), "/etc/motd", "-,false file,false"},
		{"a directory over a file", newStack(t, "a/", "a"), "/a", "directory,true file,false"},
		{"a link out of the layer", newStack(t, "", "d->"+filepath.Dir(outside)), "/d/secret", "-,false"},
		{"dots", newStack(t, "", "etc/motd"), "/../etc/./motd", "file,true"},
	} {
		found, err := c.stack.Find(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprintf("%s,%t", f.Kind, f.Seen))
			if f.Kind != Nothing && !f.Seen && f.Why == "" {
				t.Errorf("%s: no reason for a hidden %s", c.name, f.Kind)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %s, want %s", c.name, strings.Join(got, " "), c.want)
		}
	}
}

// TestStackChanges: a file of the upper directory is new or changed, its parent directories are
// neither.
func TestStackChanges(t *testing.T) {
	s := newStack(t, "etc/motd etc/new made/", "etc/motd etc/old")
	changes, err := s.Changes()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range changes {
		got = append(got, w.What+" "+w.Path)
	}
	if want := []string{"changed /etc/motd", "new /etc/new", "new /made"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if changes, err := (&Stack{Lower: s.Lower}).Changes(); err != nil || changes != nil {
		t.Errorf("without an upper directory: %v, %v", changes, err)
	}
}

// TestLayerCounts: files are counted per layer, and a layer that was deleted is empty.
func TestLayerCounts(t *testing.T) {
	s := newStack(t, "a", "b c/d c/e->x")
	s.Lower = append(s.Lower, filepath.Join(t.TempDir(), "deleted"))
	layers, err := s.Layers()
	if err != nil || len(layers) != 3 {
		t.Fatalf("%v, %v", layers, err)
	}
	for i, want := range []Layer{
		{Number: 1, Role: "lower", Files: 3, Bytes: 9}, {Number: 2, Role: "lower"},
		{Number: 3, Role: "upper", Files: 1, Bytes: 4},
	} {
		got := layers[i]
		got.Path = ""
		if got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
