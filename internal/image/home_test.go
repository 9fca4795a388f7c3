package image

import (
	"os/user"
	"path/filepath"
	"testing"
)

// TestHomeWithoutVariable: without HOME the store is in the home directory of /etc/passwd, and never in
// the working directory.
func TestHomeWithoutVariable(t *testing.T) {
	t.Setenv("HOME", "/somewhere")
	if got := homeDir(); got != "/somewhere" {
		t.Errorf("with HOME: %q", got)
	}
	t.Setenv("HOME", "")
	got := homeDir()
	if u, err := user.Current(); err == nil && got != u.HomeDir || !filepath.IsAbs(got) {
		t.Errorf("without HOME: %q", got)
	}
}
