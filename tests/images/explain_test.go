package images

import (
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestShortNarrationOfImageFits: run --explain of an image is at most 30 lines on standard error.
func TestShortNarrationOfImageFits(t *testing.T) {
	s := loaded(t, runs("true"))
	cmd := s.Command("run", "--rm", "--explain", "--name", name("explained"), "busybox")
	r := testbundle.Finish(t, cmd)
	r.Exit(t, 0)
	if n := strings.Count(r.Stderr, "\n"); n > 30 || n < 10 {
		t.Errorf("%d lines:\n%s", n, r.Stderr)
	}
	for _, want := range []string{"mount proc on /proc", "pivot_root", "the program runs", "exited with status 0"} {
		if !strings.Contains(r.Stderr, want) {
			t.Errorf("no %q in\n%s", want, r.Stderr)
		}
	}
}
