package solver

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/store"
)

// A history has the recipes of the steps in the last build of a Dockerfile. It explains why a step
// was not cached; no key depends on it.
type history struct {
	path  string
	steps map[place]historyEntry
}

// A place identifies a step across builds.
type place struct {
	Stage string `json:"stage,omitempty"`
	Index int    `json:"index"` // in the stage

	// For a context that is copied for a mount, which has no stage:
	Context string `json:"context,omitempty"`
	Path    string `json:"path,omitempty"`
}

// A historyEntry is one step.
type historyEntry struct {
	Place  place  `json:"place"`
	Text   string `json:"text"`
	Recipe recipe `json:"recipe"`
}

// historyFile is the format of a history on disk.
type historyFile struct {
	Version int            `json:"version"`
	Steps   []historyEntry `json:"steps"`
}

const historyVersion = 2

func placeOf(n *graph.Node) place {
	if n.Stage != nil {
		return place{Stage: n.Stage.Label(), Index: slices.Index(n.Stage.Nodes, n)}
	}
	if op, ok := n.Op.(*graph.Copy); ok && len(op.Sources) > 0 {
		return place{Context: op.Sources[0].Context, Path: op.Sources[0].Path}
	}
	return place{}
}

// readHistory reads the history of a slot. If it is damaged or has another format, only
// explanations are lost.
func readHistory(s *store.Store, slot string) (*history, error) {
	sum := sha256.Sum256([]byte(slot))
	h := &history{
		path:  filepath.Join(s.Dir, "build", "last", hex.EncodeToString(sum[:16])+".json"),
		steps: map[place]historyEntry{},
	}
	text, err := os.ReadFile(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var file historyFile
	if json.Unmarshal(text, &file) != nil || file.Version != historyVersion {
		return h, nil
	}
	for _, e := range file.Steps {
		h.steps[e.Place] = e
	}
	return h, nil
}

// recordRecipe adds the recipe of a step to the history for the next build.
func (g *graphSolver) recordRecipe(n *graph.Node, r recipe) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.recipes[placeOf(n)] = historyEntry{placeOf(n), n.Text, r}
}

// writeHistory writes the history for the next build, even if this build failed.
func (g *graphSolver) writeHistory() error {
	if len(g.recipes) == 0 {
		return nil
	}
	maps.Copy(g.history.steps, g.recipes)
	text, err := json.Marshal(historyFile{historyVersion, g.history.sorted()})
	if err != nil {
		return err
	}
	return g.shared.Store.Replace(g.history.path, text)
}

// sorted returns the steps in a fixed order.
func (h *history) sorted() []historyEntry {
	return slices.SortedFunc(maps.Values(h.steps), func(a, b historyEntry) int {
		return cmp.Or(
			cmp.Compare(a.Place.Stage, b.Place.Stage), cmp.Compare(a.Place.Index, b.Place.Index),
			cmp.Compare(a.Place.Context, b.Place.Context), cmp.Compare(a.Place.Path, b.Place.Path),
		)
	})
}

// previous returns a step of the last build: the one in the same place, or, if that was a different
// instruction, one in the same stage with the same text.
func (h *history) previous(n *graph.Node) (historyEntry, bool) {
	there, ok := h.steps[placeOf(n)]
	if n.Stage == nil || ok && there.Text == n.Text {
		return there, ok
	}
	for _, e := range h.sorted() {
		if e.Place.Stage == n.Stage.Label() && e.Text == n.Text {
			return e, true
		}
	}
	return there, ok
}
