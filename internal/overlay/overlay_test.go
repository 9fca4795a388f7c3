package overlay

import (
	"strings"
	"testing"
)

// TestDistinct: a layer that is named several times stays in its uppermost place.
func TestDistinct(t *testing.T) {
	for given, want := range map[string]string{"": "", "a": "a", "a b": "a b", "a b a": "b a", "a a b c b": "a c b"} {
		if got := strings.Join(Distinct(strings.Fields(given)), " "); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
