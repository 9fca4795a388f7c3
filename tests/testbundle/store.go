package testbundle

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// A Store is minirun with a separate store of images for the test.
type Store struct {
	*Bundle
	T        testing.TB
	StoreDir string
}

// NewStore returns an empty store.
func NewStore(t testing.TB) *Store {
	t.Helper()
	b := New(t)
	s := &Store{b, t, filepath.Join(b.Host, "store")}
	b.Global = append(b.Global, "--store", s.StoreDir)
	return s
}

// Do runs minirun, which must succeed, and returns its output.
func (s *Store) Do(args ...string) string {
	s.T.Helper()
	r := s.Minirun(args...)
	if r.Status != 0 {
		s.T.Fatalf("minirun %s: status %d: %s%s", strings.Join(args, " "), r.Status, r.Stdout, r.Stderr)
	}
	return strings.TrimSpace(r.Stdout)
}

// JSON is Do for a command that prints JSON.
func (s *Store) JSON(into any, args ...string) {
	s.T.Helper()
	if err := json.Unmarshal([]byte(s.Do(args...)), into); err != nil {
		s.T.Fatal(err)
	}
}

// Check fails the test unless the store is consistent, and returns the leftovers of killed commands,
// which are allowed.
func (s *Store) Check() (rubbish []string) {
	s.T.Helper()
	r := s.Minirun("store", "check", "--format", "json")
	var report struct{ Rubbish, Wrong []string }
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		s.T.Fatal(err, r.Stdout, r.Stderr)
	}
	if r.Status != 0 || len(report.Wrong) > 0 {
		s.T.Errorf("store check: status %d: %q %s", r.Status, report.Wrong, r.Stderr)
	}
	return report.Rubbish
}
