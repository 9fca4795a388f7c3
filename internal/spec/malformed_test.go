package spec

import (
	"errors"
	"strings"
	"testing"

	"github.com/minirun/minirun/internal/spec/spectest"
)

// TestMalformed: a document with one mistake must be refused, and an error must name its path.
func TestMalformed(t *testing.T) {
	if _, warns, err := Parse(spectest.Rich()); err != nil || len(warns) > 0 {
		t.Fatalf("the document to start from is not valid: %v, warnings %v", err, warns)
	}
	cases := spectest.Malformed()
	if len(cases) < 300 {
		t.Fatalf("only %d cases", len(cases))
	}
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.Name] {
			t.Errorf("two cases named %q", c.Name)
		}
		names[c.Name] = true
		s, _, err := Parse(c.JSON)
		if err == nil {
			t.Errorf("%s: accepted", c.Name)
			continue
		}
		if s != nil {
			t.Errorf("%s: a Spec came along with the error", c.Name)
		}
		if !blames(err, c.Path) {
			t.Errorf("%s: no error names %q:\n%v", c.Name, c.Path, err)
		}
	}
	t.Logf("%d malformed documents", len(cases))
}

// blames reports whether err contains a problem at path or below it.
func blames(err error, path string) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if blames(e, path) {
				return true
			}
		}
		return false
	}
	var e *Error
	return errors.As(err, &e) && strings.HasPrefix(e.Path, path) && (len(e.Path) == len(path) ||
		path == "" || e.Path[len(path)] == '.' || e.Path[len(path)] == '[')
}
