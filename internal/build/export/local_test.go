package export

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeTree creates files in a new directory: a name with a slash at its end is a directory, a
// content that begins with -> is the target of a link.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		target, isLink := strings.CutPrefix(content, "->")
		var err error
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// readTree is the reverse of writeTree; only empty directories are listed.
func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			inner := readTree(t, path)
			for name, content := range inner {
				out[e.Name()+"/"+name] = content
			}
			if len(inner) == 0 {
				out[e.Name()+"/"] = ""
			}
		case e.Type()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = "->" + target
		default:
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = string(text)
		}
	}
	return out
}

func openTree(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestMoveEntryMergesDirectories: other files stay, and a link in the destination is replaced,
// not followed.
func TestMoveEntryMergesDirectories(t *testing.T) {
	outside := writeTree(t, map[string]string{"secret": "kept"})
	to := writeTree(t, map[string]string{"d/old": "1", "d/same": "1", "link": "->" + outside,
		"file": "->" + outside + "/secret"})
	from := writeTree(t, map[string]string{"d/same": "2", "d/e/new": "3", "link/in": "4", "file": "5", "empty/": ""})
	for _, visit := range []func(*entry) error{checkEntry, moveEntry} {
		if err := walkBoth(openTree(t, from), openTree(t, to), "", visit); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"d/old": "1", "d/same": "2", "d/e/new": "3", "link/in": "4", "file": "5", "empty/": ""}
	if got := readTree(t, to); !equalTrees(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := readTree(t, outside); !equalTrees(got, map[string]string{"secret": "kept"}) {
		t.Errorf("outside is %v", got)
	}
}

func equalTrees(a, b map[string]string) bool {
	keys := func(m map[string]string) (out []string) {
		for name, content := range m {
			out = append(out, name+"="+content)
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(keys(a), keys(b))
}

// TestCheckEntryRejectsDirectoryInTheWay: a directory is never replaced, and the check moves
// nothing.
func TestCheckEntryRejectsDirectoryInTheWay(t *testing.T) {
	to := writeTree(t, map[string]string{"a/x": "1"})
	from := writeTree(t, map[string]string{"a": "file", "0": "first"})
	err := walkBoth(openTree(t, from), openTree(t, to), "", checkEntry)
	if err == nil || !strings.Contains(err.Error(), "a is a file in the result, but a directory") {
		t.Error(err)
	}
	if got := readTree(t, to); !equalTrees(got, map[string]string{"a/x": "1"}) {
		t.Errorf("%v", got)
	}
}

// TestCreateDirsReturnsNewDirectories: those that existed before are not removed after an error.
func TestCreateDirsReturnsNewDirectories(t *testing.T) {
	dir := t.TempDir()
	created, err := createDirs(filepath.Join(dir, "a", "b"))
	if want := []string{filepath.Join(dir, "a", "b"), filepath.Join(dir, "a")}; err != nil ||
		!slices.Equal(created, want) {
		t.Errorf("%q, %v", created, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "a", "b")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if created, err = createDirs(filepath.Join(dir, "a")); err != nil || len(created) != 0 {
		t.Errorf("%q, %v", created, err)
	}
}
