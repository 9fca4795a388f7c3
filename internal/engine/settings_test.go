package engine

import (
	"strings"
	"testing"
)

// TestGeneratedName: the last part of the repository and a random number, a valid name in any case.
func TestGeneratedName(t *testing.T) {
	for name, prefix := range map[string]string{"alpine": "alpine-", "ghcr.io/a/b/web:1.2": "web-", "": "container-",
		"::": "container-"} {
		got := generateName(name)
		if !strings.HasPrefix(got, prefix) || len(got) != len(prefix)+6 || got == generateName(name) {
			t.Errorf("%q: %s, want %s and six random digits", name, got, prefix)
		}
	}
}
