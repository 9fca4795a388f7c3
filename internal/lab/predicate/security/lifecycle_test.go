package security

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/minirun/minirun/internal/lab/scene"
)

// TestNamesCgroup: a cgroup is found in both versions, also below the cgroup of the check, and not in another
// learner's whose path ends alike.
func TestNamesCgroup(t *testing.T) {
	const path, ours = "/minirun-labs/0-waiting", "3:pids:/user\n0::/session\n"
	for text, want := range map[string]bool{
		"3:pids:/minirun-labs/0-waiting\n0::/\n":         true,
		"0::/minirun-labs/0-waiting\n":                   true,
		"0::/session/minirun-labs/0-waiting\n":           true,
		"3:pids:/session/minirun-labs/0-waiting\n0::/\n": false,
		"0::/other/minirun-labs/0-waiting\n":             false,
		"0::/minirun-labs/0-waiting-more\n":              false,
		"0::/\n":                                         false,
		"":                                               false,
	} {
		if got := namesCgroup(text, ours, path); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestAddedLines: only what a command added counts, and a log that was rewritten counts in full.
func TestAddedLines(t *testing.T) {
	for _, c := range []struct{ before, now, want []string }{
		{nil, nil, nil},
		{nil, []string{"a"}, []string{"a"}},
		{[]string{"a"}, []string{"a", "b", "c"}, []string{"b", "c"}},
		{[]string{"a"}, []string{"a"}, nil},
		{[]string{"a"}, []string{"b"}, []string{"b"}},
		{[]string{"a", "b"}, []string{"a"}, []string{"a"}},
	} {
		if got := added(c.before, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%q, then %q: %q, want %q", c.before, c.now, got, c.want)
		}
	}
}

// TestReadLinesSkipsEmptyOnes: a hook may print what it likes around its line.
func TestReadLinesSkipsEmptyOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order")
	if got := readLines(path); got != nil {
		t.Errorf("a missing file: %q", got)
	}
	if err := os.WriteFile(path, []byte("\n  one \r\n\ntwo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := readLines(path); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q", got)
	}
}

// TestAdaptMovesRelativeSources: a copy of a bundle is elsewhere, but its mounts are still those of the learner.
func TestAdaptMovesRelativeSources(t *testing.T) {
	mounts := []any{
		map[string]any{"type": "bind", "source": "../log"},
		map[string]any{"type": "bind", "source": "/log"},
		map[string]any{"type": "proc", "source": "proc"},
		map[string]any{"source": "files", "options": []any{"ro", "rbind"}},
	}
	scene.Adapt(map[string]any{"mounts": mounts}, "/labs/bundle", "mark", "/cgroup")
	for i, want := range []string{"/labs/log", "/log", "proc", "/labs/bundle/files"} {
		if got := mounts[i].(map[string]any)["source"]; got != want {
			t.Errorf("mounts[%d]: %q, want %q", i, got, want)
		}
	}
}

// TestIsAlive: a process that dies still counts for the runtime.
func TestIsAlive(t *testing.T) {
	for state, want := range map[string]bool{"S (sleeping)": true, "R (running)": true, "Z (zombie)": false, "X (dead)": false, "": false} {
		if got := isAlive(map[string]string{"State": state}); got != want {
			t.Errorf("%q: %v", state, got)
		}
	}
}
