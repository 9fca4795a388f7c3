package needs

import (
	"testing"

	"github.com/minirun/minirun/internal/lab/course"
	"github.com/minirun/minirun/labs"
)

// TestNeedsOfLabsAreKnown: each need that a lab names can be looked for.
func TestNeedsOfLabsAreKnown(t *testing.T) {
	c, err := course.Read(labs.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range c.Labs {
		if _, err := Examine(l.Needs); err != nil {
			t.Errorf("%s: %v", l.Dir, err)
		}
	}
	if _, err := Examine([]string{"magic"}); err == nil {
		t.Error("an unknown need is not refused")
	}
}
