package source

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/minirun/minirun/internal/build/contenthash"
)

// files creates a directory with files: a name with a trailing / is a directory, one with -> a
// symbolic link.
func files(t testing.TB, names map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range names {
		from, to, link := strings.Cut(name, "->")
		full := filepath.Join(dir, from)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case link:
			err = os.Symlink(to, full)
		case strings.HasSuffix(from, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// left returns the files of a tree that a build can see, found by the same walk as that of
// COPY.
func left(t testing.TB, tr *contenthash.Tree) (out []string) {
	t.Helper()
	root := tr.Root.Name()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		rel := strings.TrimPrefix(name, root+"/")
		if tr.Ignored != nil {
			if ignored, prune := tr.Ignored(rel, d.IsDir()); prune {
				return fs.SkipDir
			} else if ignored {
				return nil
			}
		}
		if !d.IsDir() {
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestIgnoreRules: the rules in Docker's documentation of .dockerignore.
func TestIgnoreRules(t *testing.T) {
	all := map[string]string{
		"README.md": "", "README-secret.md": "", "notes.md": "", "temp": "", "tempa/x": "", "tempb": "",
		"somedir/temporary.txt": "", "somedir/subdir/temporary.txt": "",
		"somedir/temp/f": "", "a/b/c/deep.go": "", "a/b/keep.txt": "", "a/x.go": "", "node_modules/p/index.js": "",
		"node_modules/keep/this": "",
		"#hash":                  "", " space": "", "dir.d/f": "", "logs/a.log": "", "logs/b/important.log": "",
		"foo[1]": "",
	}
	for name, c := range map[string]struct {
		text    string
		without []string // the files above that are ignored
	}{
		"nothing":                       {"", nil},
		"a comment, a BOM, blank lines": {"\ufeff# temp\n\n   \n#temp\n", nil},
		"a BOM before a pattern":        {"\ufefftemp\n", []string{"temp"}},
		"one level":                     {"*/temp*", []string{"somedir/temp/f", "somedir/temporary.txt"}},
		"two levels":                    {"*/*/temp*", []string{"somedir/subdir/temporary.txt"}},
		"a question mark":               {"temp?", []string{"tempa/x", "tempb"}},
		"any level":                     {"**/*.go", []string{"a/b/c/deep.go", "a/x.go"}},
		"any level below":               {"a/**", []string{"a/b/c/deep.go", "a/b/keep.txt", "a/x.go"}},
		"a directory":                   {"a", []string{"a/b/c/deep.go", "a/b/keep.txt", "a/x.go"}},
		"a directory with slashes":      {"/a/b/", []string{"a/b/c/deep.go", "a/b/keep.txt"}},
		"dots are cleaned away":         {"./a/../temp\n  tempb  ", []string{"temp", "tempb"}},
		"only at the root":              {"temporary.txt", nil},
		"an exception":                  {"*.md\n!README.md", []string{"README-secret.md", "notes.md"}},
		"the last match counts": {"*.md\n!README*.md\nREADME-secret.md",
			[]string{"README-secret.md", "notes.md"}},
		"an exception behind its rule":   {"*.md\nREADME-secret.md\n!README*.md", []string{"notes.md"}},
		"back below a directory":         {"node_modules\n!node_modules/keep", []string{"node_modules/p/index.js"}},
		"back with a star":               {"a\n!a/*/keep.txt", []string{"a/b/c/deep.go", "a/x.go"}},
		"back with two stars":            {"*\n!**/important.log", nil},
		"all but some":                   {"*\n!a/b", nil},
		"a parent's rule over its child": {"!a/b\na", []string{"a/b/c/deep.go", "a/b/keep.txt", "a/x.go"}},
		"an escape":                      {`foo\[1\]` + "\n" + `\#hash`, []string{"#hash", "foo[1]"}},
		"a class":                        {"temp[a-b]", []string{"tempa/x", "tempb"}},
		"CRLF":                           {"temp\r\ntempb\r\n", []string{"temp", "tempb"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := files(t, all)
			if err := os.WriteFile(filepath.Join(dir, ignoreName), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			tr, err := OpenLocal(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			defer tr.Root.Close()
			if !tr.Foreign {
				t.Error("the owners of a context count")
			}
			got := left(t, tr)
			var want []string
			switch name {
			case "back with two stars":
				want = []string{"logs/b/important.log"}
			case "all but some":
				want = []string{"a/b/c/deep.go", "a/b/keep.txt"}
			default:
				want = []string{ignoreName}
				for f := range all {
					if !slices.Contains(c.without, f) {
						want = append(want, f)
					}
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestPruneDirectories: a directory is skipped entirely only if no pattern can include any
// file in it again.
func TestPruneDirectories(t *testing.T) {
	for _, c := range []struct {
		text, dir string
		want      bool
	}{
		{"a", "a", true}, {"a", "a/b", true}, {"a\n!a/b", "a", false}, {"a\n!a/b", "a/c", true},
		{"a\n!a/b/c", "a/b", false},
		{"a\n!a/*/c", "a/x", false}, {"a\n!**/c", "a/x/y", false}, {"a\n!b", "a", true}, {"*\n!a*/c", "ab", false},
		{"*\n!a*/c", "b", true},
		{"!a\na/b", "a/b", true}, {"a\n!a/x**y", "a/x/z", false},
	} {
		f, err := parseIgnore([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if ignored, prune := f(c.dir, true); !ignored || prune != c.want {
			t.Errorf("%q: %s: ignored %t, prune %t, want %t", c.text, c.dir, ignored, prune, c.want)
		}
	}
}

func TestIgnoreFiles(t *testing.T) {
	outside := files(t, map[string]string{"secret": "a", "D": "", "D.dockerignore": "b"})
	for name, c := range map[string]struct {
		files      map[string]string
		dockerfile string // below the context, or absolute
		ignored    string // the ignored one of a, b and c, or the error
	}{
		"the context's": {map[string]string{".dockerignore": "a"}, "", "a"},
		"the Dockerfile's own": {map[string]string{".dockerignore": "a", "Dockerfile.dockerignore": "b"},
			"Dockerfile", "b"},
		"one deeper": {map[string]string{".dockerignore": "a", "d/X.dockerignore": "b"}, "d/X",
			"b"},
		"none of the Dockerfile's own": {map[string]string{".dockerignore": "a", "Other.dockerignore": "b"},
			"Dockerfile", "a"},
		"of a Dockerfile elsewhere":    {map[string]string{".dockerignore": "a"}, filepath.Join(outside, "D"), "b"},
		"none of a Dockerfile's there": {map[string]string{".dockerignore": "a"}, filepath.Join(outside, "E"), "a"},
		"a link inside":                {map[string]string{".dockerignore->x": "", "x": "c"}, "", "c"},
		"a link that would lead out": {map[string]string{".dockerignore->" + filepath.Join(outside, "secret"): ""},
			"", ""},
		"a directory": {map[string]string{".dockerignore/": ""}, "", "is a directory"},
		"a pattern that is none": {map[string]string{".dockerignore": "[a"}, "",
			`.dockerignore: pattern "[a": syntax error in pattern`},
		"a pattern that is none, again": {map[string]string{".dockerignore": "!a[-]"}, "",
			`.dockerignore: pattern "!a[-]": syntax error in pattern`},
		"too large": {map[string]string{".dockerignore": strings.Repeat("a\n", 1<<19+1)}, "",
			"exceeds maximum allowed size of 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := files(t, c.files)
			if c.dockerfile != "" && !filepath.IsAbs(c.dockerfile) {
				c.dockerfile = filepath.Join(dir, c.dockerfile)
			}
			tr, err := OpenLocal(dir, c.dockerfile)
			if err != nil {
				if c.ignored == "" || !strings.Contains(err.Error(), c.ignored) {
					t.Errorf("%v, want %q", err, c.ignored)
				}
				return
			}
			defer tr.Root.Close()
			got := ""
			for _, f := range []string{"a", "b", "c"} {
				if tr.Ignored != nil {
					if ignored, _ := tr.Ignored(f, false); ignored {
						got += f
					}
				}
			}
			if got != c.ignored {
				t.Errorf("ignored %q, want %q", got, c.ignored)
			}
		})
	}
	if _, err := OpenLocal(filepath.Join(outside, "D"), ""); err == nil ||
		!strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file as a context: %v", err)
	}
}

func TestReadDockerfile(t *testing.T) {
	outside := files(t, map[string]string{"Dockerfile": "FROM outside"})
	dir := files(t, map[string]string{
		"dockerfile": "FROM small", "sub/Containerfile": "FROM sub", "inside->sub/Containerfile": "",
		"out->" + outside + "/Dockerfile":                        "",
		"up->../../../../../../../../" + outside + "/Dockerfile": "", "large": strings.Repeat("#", DockerfileLimit+1),
		"environ->/proc/self/environ": "",
	})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := OpenLocal(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Root.Close()
	for name, want := range map[string]string{
		"dockerfile": "FROM small", "inside": "FROM sub", "/sub/Containerfile": "FROM sub",
		"../../sub/Containerfile": "FROM sub",
		"Dockerfile":              "FROM small", // as in BuildKit
		"sub/Dockerfile":          "there is sub/Containerfile", "other/Dockerfile": "use -f FILE",
		"out": "no such file", "up": "no such file", "environ": "no such file", "fifo": "not a regular file",
		"sub": "is a directory", "large": "exceeds maximum allowed size of 8 MiB",
	} {
		text, err := ReadDockerfile(tr, name)
		got := string(text)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %.200q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"-": "FROM stdin", filepath.Join(dir, "dockerfile"): "FROM small", filepath.Join(dir, "out"): "FROM outside",
		filepath.Join(dir, "Dockerfile"): "use -f " + dir + "/dockerfile", dir: "is a directory",
	} {
		text, err := ReadDockerfileAt(context.Background(), name, strings.NewReader("FROM stdin"))
		got := string(text)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %.200q, want %q", name, got, want)
		}
	}
}

func TestPruneCaches(t *testing.T) {
	dir := files(t, map[string]string{"http/old/f": "12345", "http/new/f": "1", "git/r/trees/old/f": "123",
		"git/r/trees/new/f": "1", "git/gone/repository/f": "12"})
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{"http/old", "git/r/trees/old", "git/gone"} {
		if err := os.Chtimes(filepath.Join(dir, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	freed, err := Prune(dir, time.Now().Add(-time.Minute))
	if err != nil || freed != 10 {
		t.Errorf("freed %d, %v", freed, err)
	}
	for name, want := range map[string]bool{"http/old": false, "http/new": true, "git/r/trees/old": false,
		"git/r/trees/new": true, "git/gone": false} {
		if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkIgnored matches ten thousand files against ten patterns.
func BenchmarkIgnored(b *testing.B) {
	var names []string
	for i := range 10000 {
		names = append(names, fmt.Sprintf("packages/p%d/src/deep/er/file%d.ts", i%100, i))
	}
	text := "node_modules\n**/node_modules\n*.log\n**/*.tmp\n.git\ndist\nbuild/**\n**/.cache\ndocs/*.md\n" +
		"!docs/README.md\n"
	for b.Loop() {
		f, err := parseIgnore([]byte(text))
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range names {
			if ignored, _ := f(n, false); ignored {
				b.Fatal(n)
			}
		}
	}
}
