package solver

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image"
)

// layerWith creates a layer with files: NAME=CONTENT, or NAME/ for a directory.
func layerWith(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name, content, isFile := strings.Cut(f, "=")
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		switch {
		case err != nil:
		case isFile:
			err = os.WriteFile(path, []byte(content), 0o644)
		default:
			err = os.MkdirAll(path, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOutsideContextHint: which hint a missing source of a context gets.
func TestOutsideContextHint(t *testing.T) {
	for _, c := range []struct {
		source  string
		missing contenthash.NotFoundError
		want    string // part of the hint; "": none
	}{
		{"../x", contenthash.NotFoundError{Pattern: "x"}, "../x is outside the context"},
		{"..", contenthash.NotFoundError{Pattern: "/"}, ".. is outside the context"},
		{"/home/me/x", contenthash.NotFoundError{Pattern: "home/me/x"}, "they are not paths of the host"},
		{"/pakage.json", contenthash.NotFoundError{Pattern: "pakage.json", Near: []string{"/package.json"}}, ""},
		{"/secret", contenthash.NotFoundError{Pattern: "secret", Ignored: true}, ""},
		{"x", contenthash.NotFoundError{Pattern: "x"}, ""},
		{"../x", contenthash.NotFoundError{Pattern: "y"}, ""},
	} {
		got := outsideContextHint("COPY", []string{"other", c.source}, []*contenthash.NotFoundError{&c.missing})
		if c.want == "" && got != "" || !strings.Contains(got, c.want) || got != "" && !strings.HasPrefix(got, "\nhint: ") {
			t.Errorf("%s: %q, want %q", c.source, got, c.want)
		}
	}
}

// TestMissingSources: every missing source is found in an error that joins several.
func TestMissingSources(t *testing.T) {
	a, b := &contenthash.NotFoundError{Pattern: "a"}, &contenthash.NotFoundError{Pattern: "b"}
	got := missingSources(errors.Join(a, errors.New("other"), errors.Join(b)))
	if !slices.Equal(got, []*contenthash.NotFoundError{a, b}) {
		t.Errorf("%v", got)
	}
}

// TestCorrectCopy: the lines that are suggested for sources that are below the stage's WORKDIR.
func TestCorrectCopy(t *testing.T) {
	files := image.Stack{layerWith(t, "app/dist/x=1", "app/node_modules/y=1", "app/package.json=1", "app/with space=1",
		"etc/passwd=1")}
	for _, c := range []struct {
		name    string
		flags   []string
		sources []string
		dest    string // absolute
		written string // as written
		want    []string
	}{
		{"a file", nil, []string{"package.json"}, "/srv/", "./", []string{"COPY /app/package.json ./"}},
		{"a directory", []string{"--from=builder"}, []string{"dist"}, "/srv/", "./",
			[]string{"COPY --from=builder /app/dist ./dist"}},
		{"a directory with its name", nil, []string{"dist"}, "/srv/dist/", "./dist/", []string{"COPY /app/dist ./dist/"}},
		{"a directory to another name", nil, []string{"dist"}, "/out", "/out", []string{"COPY /app/dist /out"}},
		{"several", nil, []string{"dist", "package.json"}, "/srv/", ".",
			[]string{"COPY /app/dist ./dist", "COPY /app/package.json ."}},
		{"one of them is right", nil, []string{"etc/passwd", "package.json"}, "/srv/", "./",
			[]string{"COPY /etc/passwd /app/package.json ./"}},
		{"a space", nil, []string{"with space"}, "/srv/", "./", []string{`COPY ["/app/with space","./"]`}},
		{"none is missing", nil, []string{"etc/passwd"}, "/srv/", "./", nil},
		{"nowhere", nil, []string{"none"}, "/srv/", "./", nil},
	} {
		op := &graph.Copy{Dest: c.dest, Words: graph.CopyWords{Flags: c.flags, Sources: c.sources, Dest: c.written}}
		for _, s := range c.sources {
			op.Sources = append(op.Sources, graph.Source{Path: s})
		}
		if got, _ := correctCopy(&graph.Node{Instruction: "COPY"}, op, files, "/app"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
