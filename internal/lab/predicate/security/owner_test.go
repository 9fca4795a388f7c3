package security

import (
	"testing"

	"github.com/minirun/minirun/internal/lab/scene"
)

// TestUnmapIDReversesMapID: an ID outside of all lines is not mapped.
func TestUnmapIDReversesMapID(t *testing.T) {
	const text = "         0     200000      65536\n     70000       1000          1\n"
	for _, inside := range []int{0, 1, 65535, 70000} {
		outside, ok := scene.MapID(text, inside)
		if !ok {
			t.Fatalf("%d is not mapped", inside)
		}
		if got, ok := unmapID(text, outside); !ok || got != inside {
			t.Errorf("%d is %d outside, and that %d, %v", inside, outside, got, ok)
		}
	}
	for _, outside := range []int{0, 999, 1001, 199999, 265536} {
		if inside, ok := unmapID(text, outside); ok {
			t.Errorf("%d outside is %d", outside, inside)
		}
	}
}
