package solver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/graph"
	"github.com/minirun/minirun/internal/image/store"
)

// A history records the recipes of the steps in the last build of a Dockerfile. It explains
// why a step was not cached; no key depends on it.
type history struct {
	path  string
	Steps map[string]note `json:"steps"` // keyed by place
}

type note struct {
	Text   string `json:"text"`
	Recipe recipe `json:"recipe"`
}

// placeOf identifies a step across builds, by its stage and its position in that stage.
func placeOf(n *graph.Node) string {
	if n.Stage == nil {
		return n.Text
	}
	return fmt.Sprintf("%s %d", n.Stage.Label(), slices.Index(n.Stage.Nodes, n))
}

func readHistory(s *store.Store, slot string) (*history, error) {
	sum := sha256.Sum256([]byte(slot))
	h := &history{path: filepath.Join(s.Dir, "build", "last", hex.EncodeToString(sum[:16])+".json")}
	text, err := os.ReadFile(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if json.Unmarshal(text, h) != nil || h.Steps == nil {
		h.Steps = map[string]note{} // a damaged history only loses explanations
	}
	return h, nil
}

// noted records the recipe of a step.
func (v *solving) noted(n *graph.Node, r recipe) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.notes[placeOf(n)] = note{n.Text, r}
}

// remember writes the history for the next build, even if this build failed.
func (v *solving) remember() error {
	if len(v.notes) == 0 {
		return nil
	}
	maps.Copy(v.last.Steps, v.notes)
	text, err := json.Marshal(v.last)
	if err != nil {
		return err
	}
	return v.Store.Replace(v.last.path, text)
}

// before returns a step's previous recipe: that of the step in the same place, or, if that was
// a different instruction, that of the step in the same stage with the same text.
func (h *history) before(n *graph.Node) (note, bool) {
	there, ok := h.Steps[placeOf(n)]
	if n.Stage == nil || ok && there.Text == n.Text {
		return there, ok
	}
	for _, place := range slices.Sorted(maps.Keys(h.Steps)) {
		stage := place[:max(0, strings.LastIndexByte(place, ' '))]
		if stage == n.Stage.Label() && h.Steps[place].Text == n.Text {
			return h.Steps[place], true
		}
	}
	return there, ok
}

// why compares a step's recipe with the last build's, and explains what differs.
func (v *solving) why(n *graph.Node, now recipe) (reason string, what []string) {
	if v.fresh(n) {
		return "--no-cache", nil
	}
	before, ok := v.last.before(n)
	if !ok {
		return "it is built for the first time", nil
	}
	if before.Text != n.Text {
		return "the instruction is another one: it was " + before.Text, nil
	}
	what = changed(before.Recipe, now)
	if len(what) == 0 {
		return "its layer is no longer there", nil
	}
	if slices.Equal(what, []string{"the step before"}) {
		return "the step before has made something else", nil
	}
	var named []string
	for _, x := range what {
		if files := v.changedFiles(before.Recipe, now, x); len(files) > 0 {
			named = append(named, files...)
		} else {
			named = append(named, x)
		}
	}
	return "something it depends on has changed", named
}

// filesOf is the path of the file list for a content digest.
func (v *solving) filesOf(content digest.Digest) string {
	return filepath.Join(v.Store.Dir, "build", "files", content.Encoded()[:32])
}

// keepFiles saves the list of files that a content digest covers.
func (v *solving) keepFiles(content digest.Digest, of []*contenthash.Selection) error {
	path := v.filesOf(content)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	var out strings.Builder
	for _, s := range of {
		for name, d := range s.Digests() {
			fmt.Fprintf(&out, "%s %q\n", d, name)
		}
	}
	return v.Store.Replace(path, []byte(out.String()))
}

// changedFiles returns the files that differ between two content digests, if both recipes
// contain the ingredient as one.
func (v *solving) changedFiles(before, now recipe, ingredient string) []string {
	read := func(r recipe) map[string]string {
		out := map[string]string{}
		i := slices.IndexFunc(r, func(x Ingredient) bool { return isFiles(x) && x.Name == ingredient })
		if i < 0 {
			return out
		}
		text, err := os.ReadFile(v.filesOf(digest.Digest(r[i].Value)))
		if err != nil {
			return out
		}
		for line := range strings.Lines(string(text)) {
			d, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			out[strings.Trim(name, `"`)] = d
		}
		return out
	}
	old, current := read(before), read(now)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(current)) {
		if d, ok := old[name]; !ok {
			out = append(out, name+": new")
		} else if d != current[name] {
			out = append(out, name+": changed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := current[name]; !ok {
			out = append(out, name+": gone")
		}
	}
	const most = 12
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return out
}
