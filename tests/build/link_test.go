package build

import (
	"slices"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

// TestSameLinkedLayerTwice: a layer of COPY --link does not depend on those below it, so that the same
// instruction finds it in the cache a second time. Its files are on top of what changed in between.
func TestSameLinkedLayerTwice(t *testing.T) {
	testbundle.Need(t)
	s := newStore(t)
	dir := contextDir(t, map[string]string{"f": "f", "Dockerfile": `FROM base AS one
COPY --link f /x/
RUN rm /x/f && echo other > /x/g
COPY --link f /x/
RUN cat /x/f /x/g > /seen
FROM base
COPY --from=one /x /seen /copied/
RUN --mount=from=one,target=/m cat /m/x/f /m/x/g > /mounted
`}, "")
	s.builds(dir, "-t", "app")
	want := []string{"f", "other", "fother", "fother"}
	if got := s.files("copied/f", "copied/g", "copied/seen", "mounted"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	s.builds(dir, "-t", "app", "--target", "one")
	if got, want := s.files("x/f", "x/g", "seen"), []string{"f", "other", "fother"}; !slices.Equal(got, want) {
		t.Errorf("stage one: %q, want %q", got, want)
	}
	if got := s.Do("run", "--rm", "app", "cat", "/x/f", "/x/g"); got != "fother" {
		t.Errorf("run: %q", got)
	}
}
