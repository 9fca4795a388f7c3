package hooks

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestFailureOfHookQuotesItsOutput: the error has the JSON path of the hook and what it printed,
// and later hooks of RunAll still run.
func TestFailureOfHookQuotesItsOutput(t *testing.T) {
	dir := t.TempDir()
	list := List("poststop", []specs.Hook{
		{Path: "/bin/sh", Args: []string{"sh", "-c", "echo broken; exit 3"}},
		{Path: "/bin/sh", Args: []string{"sh", "-c", "cat > " + filepath.Join(dir, "state")}},
	})
	failures := RunAll(context.Background(), list, &specs.State{ID: "web", Bundle: dir})
	if len(failures) != 1 {
		t.Fatalf("failures: %v", failures)
	}
	for _, want := range []string{"hooks.poststop[0]", "exit status 3", "it printed: broken"} {
		if text := failures[0].Error(); !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if state, err := os.ReadFile(filepath.Join(dir, "state")); err != nil || !strings.Contains(string(state), `"web"`) {
		t.Errorf("the second hook got the state %q, %v", state, err)
	}
}

// TestInsideHookIsFoundByNumber: numbers count createContainer hooks first.
func TestInsideHookIsFoundByNumber(t *testing.T) {
	all := &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/a"}}, StartContainer: []specs.Hook{{Path: "/b"}}}
	for number, want := range []string{"hooks.createContainer[0]", "hooks.startContainer[0]"} {
		if h := findByNumber(all, uint64(number)); h == nil || h.Source() != want {
			t.Errorf("hook %d: %+v, want %s", number, h, want)
		}
	}
	if h := findByNumber(all, 2); h != nil {
		t.Errorf("hook 2 is %s", h.Source())
	}
}
