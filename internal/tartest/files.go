package tartest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// CreateFiles creates files below a directory: NAME=CONTENT, NAME/ for a directory, NAME->TARGET for
// a symbolic link. Their owner is the user, so that tests need no privileges.
func CreateFiles(t testing.TB, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		var err error
		if name, target, ok := strings.Cut(f, "->"); ok {
			err = os.Symlink(target, filepath.Join(dir, name))
		} else if name, content, ok := strings.Cut(f, "="); ok {
			if err = os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err == nil {
				err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)
			}
		} else {
			err = os.MkdirAll(filepath.Join(dir, f), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
