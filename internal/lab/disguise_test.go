package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// TestKnownRuntime: a runtime is recognized as a copy under another name, and another program is not.
func TestKnownRuntime(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		data []byte
		want string
	}{"copy": {data, "minirun"}, "longer": {append(data[:len(data):len(data)], 0), ""}, "changed": {append([]byte{1}, data[1:]...), ""}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.data, 0o700); err != nil {
			t.Fatal(err)
		}
		if got := knownRuntime(os.Getpid(), path); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := knownRuntime(os.Getpid(), filepath.Join(dir, "missing")); got != "" {
		t.Error(got)
	}
}
