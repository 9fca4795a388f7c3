package dirsize

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSumCountsLinkedFilesOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"a/x": 10, "a/b/y": 200} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Link(filepath.Join(dir, "a/x"), filepath.Join(dir, "a/b/x")),
		os.Symlink("a/x", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int64{"": 210, "a/b": 210, "a/x": 10, "link": 0, "none": 0} {
		if got := Sum(filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
