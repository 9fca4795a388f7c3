package testbundle

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// shared has a *sharedFile for each name.
var shared sync.Map

type sharedFile struct {
	mu      sync.Mutex
	created bool
}

// Shared returns the path of a file or directory that is created once for all tests of this process. No
// test may change it.
func Shared(t testing.TB, name string, create func(path string)) string {
	t.Helper()
	Need(t)
	path := filepath.Join(scratch, "shared", name) // an imported image names the file
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	value, _ := shared.LoadOrStore(name, &sharedFile{})
	file := value.(*sharedFile)
	file.mu.Lock()
	defer file.mu.Unlock()
	if !file.created {
		create(path) // ends the test if it fails; the next test tries again
		file.created = true
	}
	return path
}
