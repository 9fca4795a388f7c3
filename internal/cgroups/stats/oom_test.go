package stats

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/minirun/minirun/internal/cgroups/group"
)

// TestReadOOM: the number of killed processes and the limit, from the files of v1 and v2.
func TestReadOOM(t *testing.T) {
	for name, c := range map[string]struct {
		controller   string
		files        map[string]string
		kills, limit uint64
	}{
		"v2": {"", map[string]string{"memory.events": "low 0\nhigh 0\nmax 55\noom 2\noom_kill 1\noom_group_kill 0\n",
			"memory.max": "33554432\n"}, 1, 32 << 20},
		"v2 without a limit": {"", map[string]string{"memory.events": "oom_kill 3\n", "memory.max": "max\n"}, 3, 1<<64 - 1},
		"v2 without kills":   {"", map[string]string{"memory.events": "oom_kill 0\n", "memory.max": "4096\n"}, 0, 0},
		"v1": {"memory", map[string]string{"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
			"memory.limit_in_bytes": "4096\n"}, 2, 4096},
		"no memory controller": {"", nil, 0, 0},
	} {
		dir := t.TempDir()
		for file, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kills, limit, err := ReadOOM(group.Open(map[string]string{c.controller: dir}))
		if err != nil || kills != c.kills || limit != c.limit {
			t.Errorf("%s: %d, %d, %v, want %d, %d", name, kills, limit, err, c.kills, c.limit)
		}
	}
}
