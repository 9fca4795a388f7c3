package workspace

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/lab/course"
)

// TestStartStateIsRestored: what the learner changed is kept under a name that no container sees, and
// nothing else stays: a link in a directory for the writes would be part of the next container.
func TestStartStateIsRestored(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	w := &Workspace{Lab: &course.Lab{Dir: "05-layers", Bundles: []course.Bundle{{Dir: "bundle"}}},
		Learner: &Learner{Home: home, ID: "test-save"}}
	if os.Geteuid() == 0 {
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(w.data())) })
	}
	write := func(dir, name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{w.start(), w.Dir()} {
		write(dir, "bundle/config.json", "{}")
		write(dir, "bundle/app/srv/menu", "pastel 7")
	}
	write(w.Dir(), "bundle/config.json", "{edited}")
	write(w.Dir(), "bundle/upper/srv/menu", "pastel 8")
	if err := os.Symlink("menu", filepath.Join(w.Dir(), "bundle/upper/srv/link")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.saveChanges(); err != nil {
			t.Fatal(err)
		}
		if err := w.removeLeftovers(); err != nil {
			t.Fatal(err)
		}
	}
	var found []string
	err := filepath.WalkDir(w.Dir(), func(path string, d fs.DirEntry, err error) error {
		if rel := strings.TrimPrefix(path, w.Dir()+"/"); !d.IsDir() || rel == "bundle/upper" {
			found = append(found, rel)
		}
		return err
	})
	want := []string{"bundle/app/srv/menu", "bundle/config.json.bak", "bundle/upper.bak/srv/menu"}
	if err != nil || !slices.Equal(found, want) {
		t.Errorf("%q, %v; want %q", found, err, want)
	}
}
