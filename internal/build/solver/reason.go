package solver

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/minirun/minirun/internal/build/contenthash"
	"github.com/minirun/minirun/internal/build/graph"
)

// This file explains why a step was cached, or was not.

// Reasons for a cache hit.
const (
	hitUnchanged    = "the instruction and its inputs are unchanged"
	hitSameFiles    = "the files that it reads are unchanged"
	hitRebuiltFiles = "the files that it reads are unchanged, although the steps that created them ran again"
)

// Reasons for a cache miss.
const (
	missNoCache     = "--no-cache"
	missFirstBuild  = "no earlier build has this step"
	missInstruction = "the instruction changed; it was %s"
	missNoRecord    = "its cached layer is missing"
	missParent      = "the previous step's result changed"
	missInputs      = "an input changed"
)

// explainMiss compares a step's recipe with the last build's, and explains the difference.
func (g *graphSolver) explainMiss(n *graph.Node, now recipe) (reason string, changes []string) {
	if g.ignoresCache(n) {
		return missNoCache, nil
	}
	last, ok := g.history.previous(n)
	if !ok {
		return missFirstBuild, nil
	}
	return explainDifference(last, historyEntry{Text: n.Text, Recipe: now}, g.readFileList)
}

// explainDifference compares a step of the last build with one of this build. files returns the
// list of files that a content digest covers: their digests by name.
func explainDifference(
	last, now historyEntry, files func(content string) map[string]string,
) (reason string, changes []string) {
	if last.Text != now.Text {
		return fmt.Sprintf(missInstruction, last.Text), nil
	}
	list := differences(last.Recipe, now.Recipe)
	switch {
	case len(list) == 0:
		return missNoRecord, nil
	case len(list) == 1 && list[0].last != nil && list[0].now != nil && list[0].now.Kind == parentKind:
		return missParent, nil
	}
	for _, d := range list {
		if d.last != nil && d.now != nil && d.now.Kind.isContent() {
			if names := changedFiles(files(d.last.Value), files(d.now.Value)); len(names) > 0 {
				changes = append(changes, names...)
				continue
			}
		}
		changes = append(changes, d.describe())
	}
	return missInputs, changes
}

// A difference is an ingredient that differs between two recipes. One that was added has no last
// value, and one that was removed none now.
type difference struct{ last, now *Ingredient }

// differences compares two recipes.
func differences(last, now recipe) (out []difference) {
	find := func(r recipe, x Ingredient) *Ingredient {
		if i := slices.IndexFunc(r, x.same); i >= 0 {
			return &r[i]
		}
		return nil
	}
	for i, x := range now {
		if old := find(last, x); old == nil || old.Value != x.Value {
			out = append(out, difference{old, &now[i]})
		}
	}
	for i, x := range last {
		if find(now, x) == nil {
			out = append(out, difference{&last[i], nil})
		}
	}
	return out
}

// describe formats a difference for the user.
func (d difference) describe() string {
	switch {
	case d.last == nil:
		return d.now.describe() + ": added"
	case d.now == nil:
		return d.last.describe() + ": removed"
	case d.now.Kind == variableKind:
		return d.now.describe() + ": " + d.last.Value + " → " + d.now.Value
	}
	return d.now.describe()
}

// describe names an ingredient for the user.
func (x Ingredient) describe() string {
	switch x.Kind {
	case parentKind:
		return "the previous step"
	case shmSizeKind:
		return "--shm-size"
	case hostKind:
		return "--add-host"
	case rlimitKind:
		return "--ulimit " + x.Name
	case mountFilesKind:
		return "files of the mount " + x.Name
	case sourceKind:
		return "sources"
	}
	return strings.TrimSpace(string(x.Kind) + " " + x.Name)
}

// maxChangedFiles limits the number of changed files that are listed.
const maxChangedFiles = 12

// changedFiles compares two lists of files.
func changedFiles(last, now map[string]string) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if d, ok := last[name]; !ok {
			out = append(out, name+": added")
		} else if d != now[name] {
			out = append(out, name+": changed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(last)) {
		if _, ok := now[name]; !ok {
			out = append(out, name+": removed")
		}
	}
	if len(out) > maxChangedFiles {
		out = append(out[:maxChangedFiles], fmt.Sprintf("and %d more", len(out)-maxChangedFiles))
	}
	return out
}

// fileListPath is the path of the file list for a content digest.
func (g *graphSolver) fileListPath(content digest.Digest) string {
	return filepath.Join(g.shared.Store.Dir, "build", "files", content.Encoded()[:32])
}

// saveFileList saves the list of files that a content digest covers.
func (g *graphSolver) saveFileList(content digest.Digest, selections []*contenthash.Selection) error {
	path := g.fileListPath(content)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	var out strings.Builder
	for _, s := range selections {
		for name, d := range s.Digests() {
			fmt.Fprintf(&out, "%s %q\n", d, name)
		}
	}
	return g.shared.Store.Replace(path, []byte(out.String()))
}

// readFileList reads a list that saveFileList has saved; without one, it is empty.
func (g *graphSolver) readFileList(content string) map[string]string {
	out := map[string]string{}
	d, err := digest.Parse(content)
	if err != nil {
		return out
	}
	text, err := os.ReadFile(g.fileListPath(d))
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[strings.Trim(name, `"`)] = sum
	}
	return out
}
